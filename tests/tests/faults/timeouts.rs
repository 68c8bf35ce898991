//! Changes that are dropped while the server executes their statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flamingock::report::Cause;
use flamingock::{BoxError, ErrorKind, Runner, change, changes, rollback};
use flamingock_tests::{
    Backend, MariaDb, PlainSql, Postgres, audit, count, done, query, until, with_table,
};
use sqlx::{MySqlConnection, PgConnection, Pool};

/// Much less than the statement would take, and much more than its cancellation.
const SOON: Duration = Duration::from_secs(12);

const RUNNING_ON_POSTGRES: &str = "INSERT INTO done SELECT 'running ' || count(*)
    FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'
    AND datname = current_database()";

const RUNNING_ON_MARIADB: &str = "INSERT INTO done SELECT CONCAT('running ', COUNT(*))
    FROM information_schema.processlist WHERE info = 'DO SLEEP(60)' AND db = DATABASE()";

#[change(
    id = "sleeps",
    order = "001",
    transaction = false,
    timeout = "300ms",
    register = false
)]
async fn postgres_sleeps(db: &mut PgConnection) -> Result<(), BoxError> {
    query(db, "SELECT pg_sleep(60)").await?;
    Ok(())
}

#[rollback(postgres_sleeps)]
async fn postgres_wakes(db: &mut PgConnection) -> Result<(), BoxError> {
    query(db, RUNNING_ON_POSTGRES).await?;
    Ok(())
}

#[change(
    id = "sleeps",
    order = "001",
    transaction = false,
    timeout = "300ms",
    register = false
)]
async fn mariadb_sleeps(db: &mut MySqlConnection) -> Result<(), BoxError> {
    query(db, "DO SLEEP(60)").await?;
    Ok(())
}

#[rollback(mariadb_sleeps)]
async fn mariadb_wakes(db: &mut MySqlConnection) -> Result<(), BoxError> {
    query(db, RUNNING_ON_MARIADB).await?;
    Ok(())
}

macro_rules! statement_ends {
    ($($name:ident: $backend:ident, $change:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let database = $backend::fresh().await;
            let pool = with_table(&database, 2).await;
            let began = Instant::now();
            let error = Runner::new(&pool).changes(changes![$change]).run().await.unwrap_err();
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
            assert!(format!("{error:#}").contains("longer than its timeout"), "{error}");
            // The state that the rollback saw when it began.
            assert_eq!(done(&pool).await, ["running 0"]);
            // The rollback takes a connection, so it has its own transaction.
            let expected =
                ["sleeps 1 STARTED none", "sleeps 1 FAILED none", "sleeps 1 ROLLED_BACK shared"];
            assert_eq!(audit(&pool).await, expected);
        }
    )+};
}

statement_ends! {
    postgres_statement_has_ended_when_the_rollback_begins: Postgres, postgres_sleeps;
    mariadb_statement_has_ended_when_the_rollback_begins: MariaDb, mariadb_sleeps;
}

#[change(id = "loner", order = "001", timeout = "100ms", register = false)]
async fn loner() {
    std::future::pending::<()>().await;
}

#[rollback(loner)]
async fn company() {
    unreachable!("the end of the change is unknown");
}

/// The end of a statement on the change's own client cannot be confirmed.
#[tokio::test]
async fn change_without_connection_that_times_out_is_an_issue() {
    let database = Postgres::fresh().await;
    let pool = database.pool(2).await;
    let runner = || Runner::new(&pool).changes(changes![loner]);
    let error = runner().run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(change.issue, Some(Cause::Failed), "{error}");
    assert!(
        format!("{error:#}").contains("a part of it may still be running"),
        "{error}"
    );
    assert_eq!(
        audit(&pool).await,
        ["loner 1 STARTED none", "loner 1 FAILED none"]
    );
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error}");
}

/// Does not end when it is called for the first time.
#[change(
    id = "retried",
    order = "001",
    timeout = "100ms",
    recovery = "retry",
    register = false
)]
async fn retried(calls: &AtomicUsize) {
    if calls.fetch_add(1, Ordering::Relaxed) == 0 {
        std::future::pending::<()>().await;
    }
}

/// Its author declares that it can run again, even concurrently with an earlier call: the run, the
/// list and the next run agree on that.
#[tokio::test]
async fn retryable_change_that_times_out_is_a_failure() {
    let database = Postgres::fresh().await;
    let pool = database.pool(2).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let runner = || {
        Runner::new(&pool)
            .changes(changes![retried])
            .provide_arc(Arc::clone(&calls))
    };
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(change.issue, None, "{error}");
    assert!(runner().issues().await.unwrap().is_empty());
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
    let expected = [
        "retried 1 STARTED none",
        "retried 1 FAILED none",
        "retried 2 STARTED none",
        "retried 2 APPLIED none",
    ];
    assert_eq!(audit(&pool).await, expected);
}

#[change(id = "long", order = "001", register = false)]
async fn postgres_long(db: &mut PgConnection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('long')").await?;
    query(db, "SELECT pg_sleep(60)").await?;
    Ok(())
}

#[change(id = "long", order = "001", register = false)]
async fn mariadb_long(db: &mut MySqlConnection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('long')").await?;
    query(db, "DO SLEEP(60)").await?;
    Ok(())
}

const WORKING_ON_POSTGRES: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE state = 'active' AND query = 'SELECT pg_sleep(60)' AND datname = current_database()";

const WORKING_ON_MARIADB: &str = "SELECT COUNT(*) FROM information_schema.processlist
    WHERE info = 'DO SLEEP(60)' AND db = DATABASE()";

/// Returns once the server executes the change's statement.
async fn works<D: PlainSql>(watch: Pool<D>, working: &str) {
    until("the server works for the change", || async {
        count(&watch, working).await > 0
    })
    .await;
}

macro_rules! cancelled_in_time {
    ($($name:ident: $backend:ident, $change:ident, $working:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let database = $backend::fresh().await;
            let pool = with_table(&database, 2).await;
            let began = Instant::now();
            let runner = Runner::new(&pool).changes(changes![$change]);
            let watch = database.pool(1).await;
            let error = runner.run().cancel_on(works(watch, $working)).await;
            assert!(matches!(&error, Err(error) if error.kind() == ErrorKind::Cancelled), "{error:?}");
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            assert_eq!(done(&pool).await, Vec::<String>::new());
        }
    )+};
}

cancelled_in_time! {
    postgres_transaction_is_cancelled_with_its_statement: Postgres, postgres_long, WORKING_ON_POSTGRES;
    mariadb_transaction_is_cancelled_with_its_statement: MariaDb, mariadb_long, WORKING_ON_MARIADB;
}
