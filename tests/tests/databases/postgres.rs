//! PostgreSQL only: behaviour in a change's transaction.

mod errors;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock::report::Note;
use flamingock::{Outcome, Runner, change, changes};
use flamingock_tests::{
    Backend as _, Postgres, Proxy, TestDatabase, audit, done, query, strings, until, with_table,
};
use sqlx::{PgConnection, PgPool};

async fn fresh() -> (TestDatabase<Postgres>, PgPool) {
    let database = Postgres::fresh().await;
    let pool = with_table(&database, 1).await;
    (database, pool)
}

#[change(id = "loses", order = "001", register = false)]
async fn loses(
    db: &mut PgConnection,
    left: &AtomicUsize,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    query(db, "INSERT INTO done VALUES ('loses')").await?;
    if left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        let raise = "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$";
        query(db, raise).await?;
    }
    Ok(())
}

#[tokio::test]
async fn serialization_failure_is_retried_and_recorded_once() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool)
        .changes(changes![loses])
        .provide(AtomicUsize::new(3));
    let report = runner.run().await.unwrap();
    assert_eq!(
        report.changes().next().unwrap().notes,
        [Note::Retried { times: 3 }]
    );
    assert_eq!(audit(&pool).await, ["loses 1 APPLIED shared"]);
    assert_eq!(done(&pool).await, ["loses"]);
}

#[tokio::test]
async fn repeated_serialization_failure_fails_after_the_third_retry() {
    let (_database, pool) = fresh().await;
    let left = Arc::new(AtomicUsize::new(100));
    let runner = Runner::new(&pool)
        .changes(changes![loses])
        .provide_arc(left.clone());
    let error = runner.run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(
        (change.outcome, &*change.notes),
        (Outcome::RolledBack, &[Note::Retried { times: 3 }][..])
    );
    assert_eq!(left.load(Ordering::Relaxed), 96);
    assert_eq!(
        audit(&pool).await,
        ["loses 1 FAILED shared", "loses 1 ROLLED_BACK shared"]
    );
}

#[change(id = "isolated", order = "001", register = false)]
async fn isolated(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
    query(db, "INSERT INTO done SELECT count(*) FROM flamingock_lease")
        .await
        .map(drop)
}

/// Flamingock's BEGIN must not take the snapshot.
#[tokio::test]
async fn change_can_choose_its_isolation_level() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![isolated])
        .run()
        .await
        .unwrap();
    assert_eq!(audit(&pool).await, ["isolated 1 APPLIED shared"]);
}

#[change(
    id = "waits-for-a-lock",
    order = "001",
    lock_timeout = "100ms",
    register = false
)]
async fn waits_for_a_lock(db: &mut PgConnection, calls: &AtomicUsize) -> Result<(), sqlx::Error> {
    calls.fetch_add(1, Ordering::Relaxed);
    query(db, "LOCK TABLE done").await.map(drop)
}

#[tokio::test]
async fn lock_timeout_is_retried_three_times() {
    let (database, pool) = fresh().await;
    let mut other = database.pool(1).await.acquire().await.unwrap().detach();
    query(&mut other, "BEGIN; LOCK TABLE done").await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let runner = Runner::new(&pool)
        .changes(changes![waits_for_a_lock])
        .provide_arc(calls.clone());
    let error = runner.run().await.unwrap_err();
    assert!(format!("{error:#}").contains("lock timeout"), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[change(
    id = "sleeps-in-a-transaction",
    order = "001",
    statement_timeout = "100ms",
    register = false
)]
async fn sleeps(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT pg_sleep(60)").await.map(drop)
}

#[change(
    id = "sleeps-outside-a-transaction",
    order = "001",
    statement_timeout = "100ms",
    transaction = false,
    register = false
)]
async fn sleeps_outside(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT pg_sleep(60)").await.map(drop)
}

#[tokio::test]
async fn statement_timeout_fails_only_its_change() {
    let (_database, pool) = fresh().await;
    for change in [changes![sleeps], changes![sleeps_outside]] {
        let error = Runner::new(&pool).changes(change).run().await.unwrap_err();
        assert!(
            format!("{error:#}").contains("statement timeout"),
            "{error}"
        );
    }
    let limit = "SELECT current_setting('statement_timeout')";
    assert_eq!(strings(&pool, limit).await, ["0"]);
}

#[tokio::test]
async fn second_run_waits_while_the_first_creates_the_tables() {
    let (database, pool) = fresh().await;
    // Like the first run, in the transaction that creates them.
    let mut first = pool.begin().await.unwrap();
    query(&mut *first, "SELECT pg_advisory_xact_lock(5208117391)")
        .await
        .unwrap();
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let own = proxy.pool::<sqlx::Postgres>(&database.url, 1).await;
    let second = Runner::new(&own).changes(changes![loses]);
    let second = tokio::spawn(second.provide(AtomicUsize::new(0)).run());
    until("a second look", async || {
        proxy.count("pg_try_advisory_xact_lock") > 1
    })
    .await;
    assert_eq!(proxy.count("CREATE TABLE"), 0, "{:#?}", proxy.sent());
    // The first run has ended without creating any.
    first.rollback().await.unwrap();
    let report = second.await.unwrap().unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert!(proxy.count("CREATE TABLE") > 0);
}
