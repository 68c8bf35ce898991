//! Non-transactional changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flamingock::report::Cause;
use flamingock::{BoxError, ErrorKind, Outcome, Runner, change, changes, rollback};
use flamingock_tests::{Backend as _, audit, done, query, strings, with_table};
use futures_util::StreamExt as _;
use sqlx::{Connection as _, Executor as _, Pool};

use super::{Backend, Connection, Db};

#[change(id = "plain", order = "001", transaction = false, register = false)]
async fn plain(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done SELECT state FROM flamingock_audit")
        .await
        .map(drop)
}

#[change(id = "by-pool", order = "002", register = false)]
async fn by_pool(pool: &Pool<Db>) {
    let states = strings(
        pool,
        "SELECT state FROM flamingock_audit WHERE change_id = 'by-pool'",
    )
    .await;
    assert_eq!(states, ["STARTED"]);
}

#[tokio::test]
async fn start_of_an_attempt_is_recorded_before_the_change_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let report = Runner::new(&pool)
        .changes(changes![plain, by_pool])
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    assert_eq!(done(&pool).await, ["STARTED"]);
    let expected = [
        "plain 1 STARTED none",
        "plain 1 APPLIED none",
        "by-pool 1 STARTED none",
        "by-pool 1 APPLIED none",
    ];
    assert_eq!(audit(&pool).await, expected);
    assert!(
        Runner::new(&pool)
            .changes(changes![plain, by_pool])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
}

#[change(id = "undoable", order = "001", transaction = false, register = false)]
async fn undoable(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('half')").await?;
    Err("not today".into())
}

#[rollback(undoable)]
async fn undo(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

#[tokio::test]
async fn failed_change_is_rolled_back_and_applied_by_the_next_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    for attempt in 1..=2 {
        let error = Runner::new(&pool)
            .changes(changes![undoable])
            .run()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert_eq!(error.report().unwrap().counts().rolled_back, 1);
        assert_eq!(done(&pool).await, Vec::<String>::new());
        let rows = audit(&pool).await;
        let expected = [
            format!("undoable {attempt} STARTED none"),
            format!("undoable {attempt} FAILED none"),
            format!("undoable {attempt} ROLLED_BACK shared"),
        ];
        assert_eq!(rows[rows.len() - 3..], expected);
    }
}

#[change(id = "stuck", order = "001", register = false)]
async fn stuck(_pool: &Pool<Db>) -> Result<(), BoxError> {
    Err("the change's reason".into())
}

#[rollback(stuck)]
async fn stuck_too(_pool: &Pool<Db>) -> Result<(), BoxError> {
    Err("the rollback's reason".into())
}

#[change(id = "stuck-panics", order = "001", register = false)]
async fn stuck_panics(_pool: &Pool<Db>) {
    panic!("the change's reason");
}

#[rollback(stuck_panics)]
async fn stuck_panics_too(db: &mut Connection) {
    query(db, "INSERT INTO done VALUES ('half')").await.unwrap();
    panic!("the rollback's reason");
}

#[tokio::test]
async fn failed_rollback_is_an_issue_with_both_reasons() {
    for change in [changes![stuck][0], changes![stuck_panics][0]] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = || Runner::new(&pool).changes([change]);
        let error = runner().run().await.unwrap_err();
        let reasons = format!("{error:#}");
        assert!(reasons.contains("the rollback's reason"), "{reasons}");
        assert!(reasons.contains("the change's reason"), "{reasons}");
        let rows = audit(&pool).await;
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert!(
            rows[2].starts_with(&format!("{} 1 ROLLBACK_FAILED ", change.id)),
            "{rows:?}"
        );
        assert_eq!(done(&pool).await, Vec::<String>::new());

        let again = runner().run().await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Issues, "{again:?}");
        let report = again.report().unwrap();
        let stuck = report.changes().next().unwrap();
        assert_eq!(
            (stuck.outcome, &stuck.issue),
            (Outcome::Blocked, &Some(Cause::RollbackFailed))
        );
        assert!(
            format!("{again:#}").contains("the change's reason"),
            "{again}"
        );
        assert_eq!(audit(&pool).await.len(), 3);
    }
}

#[change(id = "abandoned", order = "001", transaction = false, register = false)]
async fn abandoned(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('half')").await?;
    Err("not today".into())
}

#[tokio::test]
async fn failure_without_a_rollback_is_an_issue() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![abandoned]);
    runner().run().await.unwrap_err();
    assert_eq!(
        audit(&pool).await,
        ["abandoned 1 STARTED none", "abandoned 1 FAILED none"]
    );
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
    let report = error.report().unwrap();
    assert_eq!(report.changes().next().unwrap().issue, Some(Cause::Failed));
    assert!(format!("{error:#}").contains("not today"), "{error}");
    assert_eq!(audit(&pool).await.len(), 2);
}

#[change(id = "retried", order = "001", recovery = "retry", register = false)]
async fn retried(calls: &AtomicUsize) -> Result<(), BoxError> {
    match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err("not yet".into()),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn recovery_by_retry_applies_the_change_again() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let runner = || {
        Runner::new(&pool)
            .changes(changes![retried])
            .provide_arc(calls.clone())
    };
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
    let expected = [
        "retried 1 STARTED none",
        "retried 1 FAILED none",
        "retried 2 STARTED none",
        "retried 2 APPLIED none",
    ];
    assert_eq!(audit(&pool).await, expected);
}

#[change(id = "left-open", order = "001", transaction = false, register = false)]
async fn left_open(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "BEGIN").await?;
    query(db, "INSERT INTO done VALUES ('never committed')")
        .await
        .map(drop)
}

#[tokio::test]
async fn open_transaction_is_a_failure_and_does_not_reach_the_pool() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![left_open])
        .run()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("the change left a transaction open"),
        "{error}"
    );
    assert_eq!(
        audit(&pool).await,
        ["left-open 1 STARTED none", "left-open 1 FAILED none"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    // The statements of the connection's next user are committed at once.
    flamingock_tests::execute(&pool, "INSERT INTO done VALUES ('own')").await;
    assert_eq!(done(&database.pool(1).await).await, ["own"]);
}

#[change(id = "drops", order = "001", transaction = false, register = false)]
async fn drops(db: &mut Connection) -> Result<(), sqlx::Error> {
    let mut kept = db.begin().await?;
    query(&mut *kept, "INSERT INTO done VALUES ('kept')").await?;
    kept.commit().await?;
    let mut dropped = db.begin().await?;
    query(&mut *dropped, "INSERT INTO done VALUES ('dropped')").await?;
    Ok(())
}

#[tokio::test]
async fn dropped_transaction_is_not_left_open() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![drops])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["kept"]);
}

#[change(id = "panics", order = "001", transaction = false, register = false)]
async fn panics(db: &mut Connection) {
    query(db, "INSERT INTO done VALUES ('one'), ('two'), ('three')")
        .await
        .unwrap();
    let mut rows = db.fetch(sqlx::raw_sql("SELECT what FROM done ORDER BY what"));
    rows.next().await.unwrap().unwrap();
    panic!("in the middle");
}

#[rollback(panics)]
async fn undo_panics(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

#[tokio::test]
async fn panic_while_reading_rows_is_followed_by_the_rollback() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![panics])
        .run()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("the change panicked: in the middle"),
        "{error}"
    );
    let expected = [
        "panics 1 STARTED none",
        "panics 1 FAILED none",
        "panics 1 ROLLED_BACK shared",
    ];
    assert_eq!(audit(&pool).await, expected);
    assert_eq!(done(&pool).await, Vec::<String>::new());
}

/// SQLite has no sleep function, and no other connection could cancel a statement.
const SLEEP: &str = match <Backend as flamingock_tests::Backend>::NAME.as_bytes() {
    b"PostgreSQL" => "SELECT pg_sleep(60)",
    b"MariaDB" => "SELECT SLEEP(60)",
    _ => "SELECT 1",
};

#[change(
    id = "sleeps",
    order = "001",
    timeout = "200ms",
    transaction = false,
    register = false
)]
async fn sleeps(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, SLEEP).await?;
    std::future::pending().await
}

#[rollback(sleeps)]
async fn undo_sleeps(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('undone')")
        .await
        .map(drop)
}

#[change(
    id = "sleeps-shared",
    order = "001",
    timeout = "200ms",
    register = false
)]
async fn sleeps_shared(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('sleeps')").await?;
    query(db, SLEEP).await?;
    std::future::pending().await
}

#[tokio::test]
async fn statement_of_a_change_that_times_out_is_cancelled_at_the_server() {
    for (change, left) in [
        (changes![sleeps][0], &["undone"][..]),
        (changes![sleeps_shared][0], &[]),
    ] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let began = Instant::now();
        let error = Runner::new(&pool)
            .changes([change])
            .run()
            .await
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("its timeout of 200ms"),
            "{error}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(error.report().unwrap().counts().rolled_back, 1, "{error}");
        assert_eq!(done(&pool).await, left);
    }
}

#[change(
    id = "slow",
    order = "001",
    timeout = "50ms",
    transaction = false,
    register = false
)]
async fn slow(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('half')").await?;
    std::future::pending().await
}

#[rollback(slow)]
async fn undo_slow(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

#[tokio::test]
async fn timeout_is_followed_by_the_rollback() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![slow])
        .run()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("its timeout of 50ms"),
        "{error}"
    );
    assert_eq!(
        audit(&pool).await,
        [
            "slow 1 STARTED none",
            "slow 1 FAILED none",
            "slow 1 ROLLED_BACK shared"
        ]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
}
