//! Changes that share a transaction with their audit entry, and fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flamingock::{
    BoxError, Context, ErrorKind, Outcome, Report, Runner, change, changes, rollback,
};
use flamingock_tests::{Backend as _, audit, count, done, query, strings, with_table};
use futures_util::StreamExt as _;
use sqlx::{Connection as _, Executor as _};

use super::{Backend, Connection, Db};

/// Whether the change fails. The test repairs it between two runs.
#[derive(Debug, Default)]
struct Broken(AtomicBool);

#[change(id = "first", order = "001", register = false)]
async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

#[change(id = "fails", order = "002", register = false)]
async fn fails(db: &mut Connection, broken: &Broken) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('fails')").await?;
    if broken.0.load(Ordering::Relaxed) {
        query(db, "SELECT * FROM nowhere").await?;
    }
    Ok(())
}

#[rollback(fails)]
async fn never_called(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('rolled back')")
        .await
        .map(drop)
}

#[change(id = "last", order = "003", register = false)]
async fn last(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('last')")
        .await
        .map(drop)
}

#[tokio::test]
async fn failed_change_leaves_nothing_and_is_applied_by_the_next_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let broken = std::sync::Arc::new(Broken(true.into()));
    let runner = || {
        let runner = Runner::new(&pool).changes(changes![first, fails, last]);
        runner.provide_arc(broken.clone())
    };
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let report = error.report().unwrap();
    let outcomes: Vec<_> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::NewlyApplied, Outcome::RolledBack, Outcome::Blocked]
    );
    assert!(format!("{error:#}").contains("nowhere"), "{error}");
    assert_eq!(done(&pool).await, ["first"]);

    broken.0.store(false, Ordering::Relaxed);
    let report = runner().run().await.unwrap();
    assert_eq!(
        (
            report.counts().already_applied,
            report.counts().newly_applied
        ),
        (1, 2)
    );
    let expected = [
        "first 1 APPLIED shared",
        "fails 1 FAILED shared",
        "fails 1 ROLLED_BACK shared",
        "fails 2 APPLIED shared",
        "last 1 APPLIED shared",
    ];
    assert_eq!(audit(&pool).await, expected);
    assert_eq!(done(&pool).await, ["fails", "first", "last"]);
    let failed = "SELECT error FROM flamingock_audit WHERE error IS NOT NULL";
    let errors = strings(&pool, failed).await;
    assert!(
        errors.len() == 1 && errors[0].starts_with("[\"") && errors[0].contains("nowhere"),
        "{errors:?}"
    );
    let tokens = strings(
        &pool,
        "SELECT fencing_token FROM flamingock_audit WHERE state <> 'STARTED' ORDER BY seq",
    )
    .await;
    assert_eq!(tokens, ["1", "1", "1", "2", "2"]);
}

/// Runs a change that must fail in its transaction, twice and on a pool of one connection, so that
/// remains of an earlier run would show. Returns the error.
async fn fails_twice(
    change: &'static flamingock::Definition,
    runner: impl Fn(Runner) -> Runner,
) -> (String, Report) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let mut last = None;
    for attempt in 1..=2 {
        let error = runner(Runner::new(&pool).changes([change]))
            .run()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        let report = error.into_report().unwrap();
        assert_eq!(report.counts().rolled_back, 1, "{report}");
        assert_eq!(done(&pool).await, Vec::<String>::new());
        assert_eq!(audit(&pool).await.len(), attempt * 2);
        last = Some(report);
    }
    let id = change.id;
    let expected = [
        format!("{id} 1 FAILED shared"),
        format!("{id} 1 ROLLED_BACK shared"),
        format!("{id} 2 FAILED shared"),
        format!("{id} 2 ROLLED_BACK shared"),
    ];
    assert_eq!(audit(&pool).await, expected);
    let report = last.unwrap();
    let error = report.changes().next().unwrap().error.clone().unwrap();
    (error.to_string(), report)
}

#[change(id = "panics", order = "001", register = false)]
async fn panics(db: &mut Connection) {
    query(db, "INSERT INTO done VALUES ('panics')")
        .await
        .unwrap();
    panic!("out of {}", "cheese");
}

#[tokio::test]
async fn panic_is_an_error() {
    let (error, _) = fails_twice(changes![panics][0], |runner| runner).await;
    assert_eq!(error, "the change panicked: out of cheese");
}

#[change(id = "half-read", order = "001", register = false)]
async fn half_read(db: &mut Connection) {
    query(db, "INSERT INTO done VALUES ('one'), ('two'), ('three')")
        .await
        .unwrap();
    let mut rows = db.fetch(sqlx::raw_sql("SELECT what FROM done ORDER BY what"));
    rows.next().await.unwrap().unwrap();
    panic!("in the middle");
}

#[tokio::test]
async fn panic_while_reading_rows_leaves_a_working_connection() {
    let (error, _) = fails_twice(changes![half_read][0], |runner| runner).await;
    assert_eq!(error, "the change panicked: in the middle");
}

#[change(id = "waits", order = "001", timeout = "50ms", register = false)]
async fn waits(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('waits')").await?;
    std::future::pending().await
}

#[tokio::test]
async fn change_that_times_out_is_rolled_back() {
    let (error, _) = fails_twice(changes![waits][0], |runner| runner).await;
    assert_eq!(error, "the change took longer than its timeout of 50ms");
}

#[change(id = "leaks", order = "001", register = false)]
async fn leaks(db: &mut Connection) -> Result<(), sqlx::Error> {
    let mut nested = db.begin().await?;
    query(&mut *nested, "INSERT INTO done VALUES ('leaked')").await?;
    std::mem::forget(nested);
    Ok(())
}

#[tokio::test]
async fn leaked_nested_transaction_is_a_failure() {
    let (error, _) = fails_twice(changes![leaks][0], |runner| runner).await;
    assert!(
        error.starts_with("the change left a nested transaction open"),
        "{error}"
    );
}

#[derive(Debug, thiserror::Error)]
#[error("outer \"quoted\" \\ back")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("inner 🦩 it's\0nul")]
struct Inner;

#[change(id = "odd 🦩 it's \"quoted\" \\ back", order = "001", register = false)]
async fn odd_texts(_db: &mut Connection) -> Result<(), Outer> {
    Err(Outer(Inner))
}

#[tokio::test]
async fn texts_are_stored_unchanged() {
    let (error, report) = fails_twice(changes![odd_texts][0], |runner| runner).await;
    // A control character is escaped in output for people, and stored unchanged in the audit.
    assert_eq!(error, "outer \"quoted\" \\ back: inner 🦩 it's\\u{0}nul");
    let causes = report.changes().next().unwrap().error.clone().unwrap();
    assert_eq!(
        causes.causes(),
        ["outer \"quoted\" \\ back", "inner 🦩 it's\0nul"]
    );

    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![odd_texts])
        .run()
        .await
        .unwrap_err();
    let stored = strings(
        &pool,
        "SELECT error FROM flamingock_audit WHERE error IS NOT NULL",
    )
    .await;
    let stored: Vec<String> = serde_json::from_str(&stored[0]).unwrap();
    assert_eq!(stored, causes.causes());
}

#[change(id = "long", order = "001", register = false)]
async fn long_error(_db: &mut Connection) -> Result<(), BoxError> {
    Err("é".repeat(1_000_000).into())
}

#[tokio::test]
async fn long_error_is_cut() {
    let (error, _) = fails_twice(changes![long_error][0], |runner| runner).await;
    assert!(
        error.len() < 5_000 && error.ends_with("[cut]"),
        "{}",
        error.len()
    );
}

#[change(id = "nested", order = "001", register = false)]
async fn nested(tx: &mut sqlx::Transaction<'_, Db>) -> Result<(), sqlx::Error> {
    let mut kept = tx.begin().await?;
    query(&mut *kept, "INSERT INTO done VALUES ('kept')").await?;
    kept.commit().await?;
    let mut dropped = tx.begin().await?;
    query(&mut *dropped, "INSERT INTO done VALUES ('dropped')").await?;
    drop(dropped);
    let mut undone = tx.begin().await?;
    query(&mut *undone, "INSERT INTO done VALUES ('undone')").await?;
    undone.rollback().await?;
    query(&mut **tx, "INSERT INTO done VALUES ('outer')")
        .await
        .map(drop)
}

#[tokio::test]
async fn nested_transactions_work_and_a_dropped_one_is_rolled_back() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![nested])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["kept", "outer"]);
    assert_eq!(audit(&pool).await, ["nested 1 APPLIED shared"]);
}

#[change(id = "dropped-last", order = "001", register = false)]
async fn dropped_last(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('kept')").await?;
    let mut dropped = db.begin().await?;
    query(&mut *dropped, "INSERT INTO done VALUES ('dropped')").await?;
    Ok(())
}

#[tokio::test]
async fn nested_transaction_that_is_dropped_last_is_rolled_back_alone() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![dropped_last])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["kept"]);
    assert_eq!(audit(&pool).await, ["dropped-last 1 APPLIED shared"]);
}

#[change(id = "told", order = "001", register = false)]
async fn told(db: &mut Connection, cx: &Context) -> Result<(), BoxError> {
    let text = format!(
        "INSERT INTO done VALUES ('{} {} {}')",
        cx.change_id(),
        cx.attempt(),
        cx.service()
    );
    query(db, &text).await?;
    assert!(!cx.is_cancelled());
    Ok(())
}

#[tokio::test]
async fn change_context_describes_the_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![told])
        .service("orders")
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["told 1 orders"]);
}

/// The pool's next user must get the same connection as without Flamingock.
#[tokio::test]
async fn connections_return_to_the_pool_without_a_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let broken = std::sync::Arc::new(Broken(true.into()));
    for _ in 0..2 {
        let runner = Runner::new(&pool)
            .changes(changes![first, fails])
            .provide_arc(broken.clone());
        runner.run().await.unwrap_err();
        let mut connection = pool.acquire().await.unwrap();
        query(&mut *connection, "INSERT INTO done VALUES ('own')")
            .await
            .unwrap();
        // Nothing is committed here, so a row that another connection sees was committed at once.
        connection.close_on_drop();
        drop(connection);
        tokio::time::timeout(Duration::from_secs(20), pool.acquire())
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(
        count(&pool, "SELECT count(*) FROM done WHERE what = 'own'").await,
        2
    );
}
