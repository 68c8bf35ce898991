//! Transactions that lose conflicts: retried as a whole, three times at most, and never outside a
//! transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use flamingock::Definition;
use flamingock::report::Note;
use flamingock::{BoxError, ErrorKind, Outcome, Runner, change, changes};
use flamingock_tests::sql::{PlainSql, once};
use flamingock_tests::{Backend, MariaDb, Postgres, audit, count, execute, query, until};
use sqlx::{Connection, MySqlConnection, PgConnection, Pool};
use tokio::sync::oneshot;

const TABLE: &str = "CREATE TABLE counter (id INT PRIMARY KEY, n INT NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0); CREATE TABLE ballast (n INT)";

/// A rival that changes the row that the change is about to change.
#[derive(Debug)]
struct Rival {
    url: String,
    /// The number of conflicts that are left.
    strikes: AtomicU32,
    /// The number of calls of the change.
    calls: Arc<AtomicU32>,
}

impl Rival {
    /// Whether the rival acts during this call.
    fn strikes(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let left = |left: u32| left.checked_sub(1);
        self.strikes
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
            .is_ok()
    }

    /// Has the second row, and waits for the first. Returns as soon as it has the second.
    async fn crosses<D: PlainSql>(&self) {
        let (has_it, had) = oneshot::channel();
        let url = self.url.clone();
        tokio::spawn(async move {
            let mut other = D::Connection::connect(&url).await.unwrap();
            // The server ends the transaction that has written less.
            let ballast = vec!["(1)"; 200].join(",");
            let text = format!(
                "BEGIN; INSERT INTO ballast VALUES {ballast}; UPDATE counter SET n = n + 10 WHERE id = 2"
            );
            D::rows(&mut other, &text).await.unwrap();
            has_it.send(()).unwrap();
            D::rows(
                &mut other,
                "UPDATE counter SET n = n + 10 WHERE id = 1; COMMIT",
            )
            .await
            .unwrap();
        });
        had.await.unwrap();
    }
}

#[change(id = "serializes", order = "001", register = false)]
async fn serializes(db: &mut PgConnection, rival: &Rival) -> Result<(), BoxError> {
    query(db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
    query(db, "SELECT n FROM counter WHERE id = 1").await?;
    if rival.strikes() {
        once::<sqlx::Postgres>(&rival.url, "UPDATE counter SET n = n + 10 WHERE id = 1").await?;
    }
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 1").await?;
    Ok(())
}

#[change(id = "pg-deadlock", order = "001", register = false)]
async fn postgres_deadlock(db: &mut PgConnection, rival: &Rival) -> Result<(), BoxError> {
    // The session that detects the deadlock first is ended.
    query(db, "SET LOCAL deadlock_timeout = '20ms'").await?;
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 1").await?;
    if rival.strikes() {
        rival.crosses::<sqlx::Postgres>().await;
    }
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 2").await?;
    Ok(())
}

#[change(id = "deadlock", order = "001", register = false)]
async fn mariadb_deadlock(db: &mut MySqlConnection, rival: &Rival) -> Result<(), BoxError> {
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 1").await?;
    if rival.strikes() {
        rival.crosses::<sqlx::MySql>().await;
    }
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 2").await?;
    Ok(())
}

#[change(id = "waits", order = "001", register = false)]
async fn waits_for_a_row(db: &mut MySqlConnection, rival: &Rival) -> Result<(), BoxError> {
    query(db, "SET SESSION innodb_lock_wait_timeout = 1").await?;
    if rival.strikes() {
        let mut other = MySqlConnection::connect(&rival.url).await?;
        sqlx::MySql::rows(
            &mut other,
            "BEGIN; UPDATE counter SET n = n + 10 WHERE id = 1",
        )
        .await?;
        let calls = Arc::clone(&rival.calls);
        tokio::spawn(async move {
            until("the change is called again", || async {
                calls.load(Ordering::SeqCst) > 1
            })
            .await;
            sqlx::MySql::rows(&mut other, "COMMIT").await.unwrap();
        });
    }
    query(db, "UPDATE counter SET n = n + 1 WHERE id = 1").await?;
    Ok(())
}

/// Lets the rival act that many times. Returns the report's text and the number of calls of the
/// change.
async fn against<B: Backend>(
    change: &'static Definition,
    strikes: u32,
    runner: impl Fn(&Pool<B::Db>) -> Runner,
) -> (Result<Vec<Note>, Outcome>, u32, Vec<String>) {
    let database = B::fresh().await;
    let pool = database.pool(2).await;
    execute(&pool, TABLE).await;
    let rival = Arc::new(Rival {
        url: database.url.clone(),
        strikes: AtomicU32::new(strikes),
        calls: Arc::default(),
    });
    let runner = runner(&pool)
        .changes([change])
        .provide_arc(Arc::clone(&rival));
    let result = match runner.run().await {
        Ok(report) => Ok(report.changes().next().unwrap().notes.clone()),
        Err(error) => {
            let known = matches!(error.kind(), ErrorKind::ChangesFailed | ErrorKind::Issues);
            assert!(known, "{error:?}");
            Err(error.report().unwrap().changes().next().unwrap().outcome)
        }
    };
    let own = count(&pool, "SELECT sum(n % 10) FROM counter").await;
    assert_eq!(
        own > 0,
        result.is_ok(),
        "its effect is there if and only if it is applied"
    );
    let rows = audit(&pool)
        .await
        .into_iter()
        .filter(|row| !row.ends_with("STARTED shared"));
    (result, rival.calls.load(Ordering::SeqCst), rows.collect())
}

macro_rules! retried {
    ($($name:ident: $backend:ident, $change:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let change = changes![$change][0];
            let (result, calls, rows) = against::<$backend>(change, 1, |pool| Runner::new(pool)).await;
            assert_eq!(result, Ok(vec![Note::Retried { times: 1 }]));
            assert_eq!(calls, 2);
            assert_eq!(rows, [format!("{} 1 APPLIED shared", change.id)]);
        }
    )+};
}

retried! {
    postgres_serialization_failure_is_retried_until_applied: Postgres, serializes;
    postgres_deadlock_is_retried_until_applied: Postgres, postgres_deadlock;
    mariadb_deadlock_is_retried_until_applied: MariaDb, mariadb_deadlock;
    mariadb_row_lock_timeout_is_retried_until_applied: MariaDb, waits_for_a_row;
}

#[tokio::test]
async fn conflict_is_retried_three_times_and_recorded_once() {
    let (result, calls, rows) =
        against::<Postgres>(changes![serializes][0], u32::MAX, |pool| Runner::new(pool)).await;
    assert_eq!((result, calls), (Err(Outcome::RolledBack), 4));
    assert_eq!(
        rows,
        [
            "serializes 1 FAILED shared",
            "serializes 1 ROLLED_BACK shared"
        ]
    );
    let (result, calls, rows) =
        against::<MariaDb>(changes![mariadb_deadlock][0], u32::MAX, |pool| {
            Runner::new(pool)
        })
        .await;
    assert_eq!((result, calls), (Err(Outcome::RolledBack), 4));
    assert_eq!(
        rows,
        ["deadlock 1 FAILED shared", "deadlock 1 ROLLED_BACK shared"]
    );
}

#[change(id = "alone", order = "001", transaction = false, register = false)]
async fn postgres_alone(db: &mut PgConnection, rival: &Rival) -> Result<(), BoxError> {
    rival.strikes();
    query(
        db,
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$",
    )
    .await?;
    Ok(())
}

#[change(id = "alone", order = "001", transaction = false, register = false)]
async fn mariadb_alone(db: &mut MySqlConnection, rival: &Rival) -> Result<(), BoxError> {
    rival.strikes();
    query(db, "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213").await?;
    Ok(())
}

#[tokio::test]
async fn conflict_outside_a_transaction_is_not_retried() {
    let expected = ["alone 1 STARTED none", "alone 1 FAILED none"];
    let (result, calls, rows) =
        against::<Postgres>(changes![postgres_alone][0], 0, |pool| Runner::new(pool)).await;
    assert_eq!((result, calls), (Err(Outcome::Failed), 1));
    assert_eq!(rows, expected);
    let (result, calls, rows) =
        against::<MariaDb>(changes![mariadb_alone][0], 0, |pool| Runner::new(pool)).await;
    assert_eq!((result, calls), (Err(Outcome::Failed), 1));
    assert_eq!(rows, expected);
}
