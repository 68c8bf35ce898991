//! A takeover during the transaction of a change. Not on SQLite, whose single writer excludes a
//! takeover until the change has ended.

use std::time::Duration;

use flamingock::{ErrorKind, LockOptions, Runner, change, changes};
use flamingock_tests::{Backend as _, audit, done, query, strings, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const LONG: Duration = Duration::from_secs(30);

/// Steals the lock, like a run that finds the lease expired.
const TAKE_OVER: &str = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'";

#[change(id = "counted", order = "002", register = false)]
async fn counted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('counted')")
        .await
        .map(drop)
}

#[change(id = "robbed", order = "001", register = false)]
async fn robbed(db: &mut Connection, other: &Other) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('robbed')").await?;
    flamingock_tests::execute(&other.0, TAKE_OVER).await;
    Ok(())
}

#[derive(Debug)]
struct Other(Pool<Db>);

#[tokio::test]
async fn takeover_rolls_back_the_change() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    let runner = Runner::new(&pool)
        .changes(changes![robbed, counted])
        .provide(Other(other));
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_eq!(audit(&pool).await, Vec::<String>::new());
    let thief = strings(&pool, "SELECT fencing_token, run_id FROM flamingock_lock").await;
    assert_eq!(thief, ["2|thief"]);
}

const SLEEP: &str = match <Backend as flamingock_tests::Backend>::NAME.as_bytes() {
    b"PostgreSQL" => "SELECT pg_sleep(60)",
    _ => "SELECT SLEEP(60)",
};

#[change(id = "robbed-and-sleeps", order = "001", register = false)]
async fn robbed_and_sleeps(db: &mut Connection, other: &Other) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('robbed')").await?;
    flamingock_tests::execute(&other.0, TAKE_OVER).await;
    query(db, SLEEP).await.map(drop)
}

#[tokio::test]
async fn renewal_ends_a_statement_whose_run_lost_the_lock() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 1).await, database.pool(1).await);
    let runner = Runner::new(&pool).changes(changes![robbed_and_sleeps, counted]);
    let runner = runner
        .provide(Other(other.clone()))
        .lock(LockOptions::default().lease(Duration::from_secs(3)));
    let error = tokio::time::timeout(LONG, runner.run())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(audit(&pool).await, Vec::<String>::new());
    assert_eq!(done(&pool).await, Vec::<String>::new());
    // The server has ended the transaction, so its locks are free.
    let exclusive = "CREATE TABLE moved AS SELECT * FROM done; DROP TABLE done";
    tokio::time::timeout(LONG, flamingock_tests::execute(&other, exclusive))
        .await
        .unwrap();
}
