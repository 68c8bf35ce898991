//! The lock in a SQLite file: owners of another boot, and a driver that does not answer.

use std::time::{Duration, Instant};

use flamingock::{ErrorKind, LockOptions, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, Sqlite, execute, query, strings, with_table};
use sqlx::sqlite::{SqliteConnection, SqlitePool};

fn options(lease: u64, wait: u64) -> LockOptions {
    LockOptions::default()
        .lease(Duration::from_secs(lease))
        .wait(Duration::from_secs(wait))
        .poll(Duration::from_millis(10))
}

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

fn runner(pool: &SqlitePool, gate: &Gate) -> Runner {
    Runner::new(pool)
        .changes(changes![gated])
        .provide(gate.clone())
}

/// Containers may have their own boot ids; the owner's clock has no meaning in another one.
#[tokio::test]
async fn live_owner_of_another_boot_keeps_the_lock() {
    let database = Sqlite::fresh().await;
    let (pool, other) = (database.pool(2).await, database.pool(1).await);
    let gate = Gate::default();
    let owner = tokio::spawn(runner(&pool, &gate).lock(options(60, 60)).run());
    gate.reached().await;
    for boot in ["another", ""] {
        let elsewhere = format!("UPDATE flamingock_lease SET boot_id = '{boot}', expires_ms = 1");
        execute(&other, &elsewhere).await;
        let second = runner(&other, &gate).lock(options(60, 1)).run().await;
        assert!(
            matches!(&second, Err(error) if error.kind() == ErrorKind::LockTimeout),
            "{second:?}"
        );
        let state = runner(&other, &gate).lock_status().await.unwrap().unwrap();
        assert!(state.held, "{state:?}");
    }
    gate.open();
    owner.await.unwrap().unwrap();
    assert_eq!(gate.visitors(), 1);
}

/// Its lease expires by the wall clock, plus a margin.
#[tokio::test]
async fn waiter_waits_for_a_dead_owner_of_another_boot() {
    let database = Sqlite::fresh().await;
    let pool = database.pool(2).await;
    let gate = Gate::default();
    gate.open();
    runner(&pool, &gate).run().await.unwrap();
    let dead = "UPDATE flamingock_lock SET run_id = 'dead', pipeline_digest = NULL;
        DELETE FROM flamingock_audit;
        UPDATE flamingock_lease SET boot_id = 'another', expires_ms = 4000000000000,
        expires_wall_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1500";
    execute(&pool, dead).await;
    let began = Instant::now();
    let report = runner(&pool, &gate).lock(options(30, 30)).run().await;
    assert_eq!(report.unwrap().counts().newly_applied, 1);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_200), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// The recorded time includes the margin.
#[tokio::test]
async fn lease_of_another_boot_has_a_margin() {
    let database = Sqlite::fresh().await;
    let (pool, other) = (database.pool(2).await, database.pool(1).await);
    let gate = Gate::default();
    let owner = tokio::spawn(runner(&pool, &gate).lock(options(60, 60)).run());
    gate.reached().await;
    let left = "SELECT expires_wall_ms - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
        FROM flamingock_lease";
    let left: i64 = strings(&other, left).await[0].parse().unwrap();
    assert!((61_000..=65_001).contains(&left), "{left}");
    gate.open();
    owner.await.unwrap().unwrap();
}

#[tokio::test]
async fn tables_without_the_wall_clock_column_are_refused_with_a_remedy() {
    let database = Sqlite::fresh().await;
    let pool = database.pool(2).await;
    let gate = Gate::default();
    gate.open();
    runner(&pool, &gate).run().await.unwrap();
    execute(
        &pool,
        "ALTER TABLE flamingock_lease DROP COLUMN expires_wall_ms",
    )
    .await;
    let error = runner(&pool, &gate).run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("flamingock_lease.expires_wall_ms"), "{text}");
    let upgrade = runner(&pool, &gate).schema_upgrade().await.unwrap();
    execute(&pool, &upgrade).await;
    assert!(runner(&pool, &gate).run().await.unwrap().is_up_to_date());
}

#[change(id = "silenced", order = "002", register = false)]
async fn silenced(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('silenced')").await?;
    // The thread of the driver never returns from the commit.
    db.lock_handle().await?.set_commit_hook(|| {
        loop {
            std::thread::park();
        }
    });
    Ok(())
}

#[tokio::test]
async fn commit_without_an_answer_of_the_driver_ends_in_doubt() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 3).await;
    let runner = Runner::new(&pool).changes(changes![silenced]);
    let run = runner.lock(options(2, 1)).run();
    let error = tokio::time::timeout(Duration::from_secs(45), run).await;
    let error = error.expect("it hangs").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
}
