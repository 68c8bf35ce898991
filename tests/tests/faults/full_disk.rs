//! SQLite: a full disk, and a database in this process's memory.

use std::str::FromStr;
use std::time::Duration;

use flamingock::Definition;
use flamingock::{BoxError, Error, ErrorKind, LockOptions, Outcome, Runner, change, changes};
use flamingock_tests::{Backend, Gate, Sqlite, TestDatabase, audit, count, execute, query};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

/// A database that cannot grow beyond this number of pages.
async fn limited(url: &str, pages: u32) -> SqlitePool {
    let options = SqliteConnectOptions::from_str(url).unwrap();
    let options = options.pragma("max_page_count", pages.to_string());
    SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap()
}

async fn fill(db: &mut SqliteConnection) -> Result<(), BoxError> {
    for _ in 0..20 {
        query(db, "INSERT INTO done VALUES (hex(randomblob(20000)))").await?;
    }
    Ok(())
}

#[change(id = "big", order = "001", register = false)]
async fn big(db: &mut SqliteConnection) -> Result<(), BoxError> {
    fill(db).await
}

#[change(id = "big-steps", order = "001", transaction = false, register = false)]
async fn big_steps(db: &mut SqliteConnection) -> Result<(), BoxError> {
    fill(db).await
}

/// Runs a change for which the disk has no room.
async fn run_out_of_room(change: &'static Definition) -> (TestDatabase<Sqlite>, SqlitePool, Error) {
    let database = Sqlite::fresh().await;
    execute(&database.pool(1).await, "CREATE TABLE done (what TEXT)").await;
    let pool = limited(&database.url, 100).await;
    let error = Runner::new(&pool).changes([change]).run().await;
    let error = error.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("database or disk is full"), "{text}");
    (database, pool, error)
}

#[tokio::test]
async fn full_disk_rolls_back_a_shared_change_and_the_next_run_applies_it() {
    let (database, pool, error) = run_out_of_room(changes![big][0]).await;
    let outcome = error.report().unwrap().changes().next().unwrap().outcome;
    assert_eq!(outcome, Outcome::RolledBack, "{error}");
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 0);
    assert_eq!(
        audit(&pool).await,
        ["big 1 FAILED shared", "big 1 ROLLED_BACK shared"]
    );
    pool.close().await;

    let pool = limited(&database.url, 10_000).await;
    Runner::new(&pool)
        .changes(changes![big])
        .run()
        .await
        .unwrap();
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 20);
}

#[tokio::test]
async fn full_disk_makes_a_non_transactional_change_an_issue() {
    let (database, pool, _) = run_out_of_room(changes![big_steps][0]).await;
    pool.close().await;
    let pool = limited(&database.url, 10_000).await;
    let error = Runner::new(&pool)
        .changes(changes![big_steps])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error}");
}

#[change(id = "stands", order = "001", register = false)]
async fn stands(db: &mut SqliteConnection, gate: &Gate) -> Result<(), BoxError> {
    query(db, "CREATE TABLE made (n INT)").await?;
    gate.pass().await;
    Ok(())
}

/// Its lock ends with the process, not with a lease.
#[tokio::test]
async fn change_in_memory_outlasts_its_lease_despite_a_waiter() {
    let options = SqlitePoolOptions::new().max_connections(2);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    let gate = Gate::default();
    let lease = Duration::from_millis(100);
    let lock = LockOptions::default()
        .lease(lease)
        .wait(Duration::from_secs(20));
    let runner = || {
        Runner::new(&pool)
            .changes(changes![stands])
            .lock(lock)
            .provide(gate.clone())
    };
    let owner = tokio::spawn(runner().run());
    gate.reached().await;
    let waiter = tokio::spawn(runner().run());
    // A lease, if it had one, would have expired by now.
    tokio::time::sleep(lease * 5).await;
    assert!(!waiter.is_finished());
    gate.open();
    assert_eq!(owner.await.unwrap().unwrap().counts().newly_applied, 1);
    assert!(waiter.await.unwrap().unwrap().is_up_to_date());
    assert_eq!(gate.visitors(), 1);
}
