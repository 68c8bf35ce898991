//! A change that fails because another database refused a statement: its own transaction met no
//! conflict, so it is not retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flamingock::{BoxError, ErrorKind, Runner, Stage, change, changes};
use flamingock_tests::{
    Backend as _, MariaDb, PlainSql, Postgres, Sqlite, TestDatabase, audit, done, execute, query,
    try_execute, with_table,
};
use sqlx::{Connection as _, Pool};

use super::{Backend, Connection};

/// Another database, used by the change itself, that refuses a statement.
trait Refusing: Send + Sync {
    fn refuse(&self) -> futures_util::future::BoxFuture<'_, Result<(), sqlx::Error>>;
}

struct Other<D: PlainSql> {
    pool: Pool<D>,
    text: &'static str,
    says: &'static str,
}

impl<D: PlainSql> Refusing for Other<D> {
    fn refuse(&self) -> futures_util::future::BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(async {
            let refused = try_execute(&self.pool, self.text).await;
            let error = refused.as_ref().expect_err("it is refused").to_string();
            assert!(error.contains(self.says), "{error}");
            refused
        })
    }
}

#[derive(Debug, Default)]
struct Calls(AtomicUsize);

/// Calls the other database in addition to its own work.
#[change(id = "calls", order = "001", register = false)]
async fn calls(db: &mut Connection, calls: &Calls, other: &dyn Refusing) -> Result<(), BoxError> {
    calls.0.fetch_add(1, Ordering::Relaxed);
    query(db, "INSERT INTO done VALUES ('calls')").await?;
    other.refuse().await?;
    Ok(())
}

/// The same, after a nested transaction that succeeded.
#[change(id = "nested", order = "001", register = false)]
async fn nested(db: &mut Connection, calls: &Calls, other: &dyn Refusing) -> Result<(), BoxError> {
    calls.0.fetch_add(1, Ordering::Relaxed);
    let mut inner = db.begin().await?;
    query(&mut *inner, "INSERT INTO done VALUES ('nested')").await?;
    inner.commit().await?;
    other.refuse().await?;
    Ok(())
}

async fn assert_called_once(
    change: &'static flamingock::Definition,
    other: Arc<dyn Refusing>,
    atomic: bool,
) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let counted = Arc::new(Calls::default());
    let mut runner = Runner::new(&pool)
        .changes([change])
        .provide_arc(counted.clone())
        .provide_arc(other);
    if atomic {
        runner = runner.stage(Stage::new("default").atomic());
    }
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    assert_eq!(counted.0.load(Ordering::Relaxed), 1, "{error}");
    let id = change.id;
    assert_eq!(
        audit(&pool).await,
        [
            format!("{id} 1 FAILED shared"),
            format!("{id} 1 ROLLED_BACK shared")
        ]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
}

async fn assert_each_called_once(other: Arc<dyn Refusing>) {
    assert_called_once(changes![calls][0], other.clone(), false).await;
    assert_called_once(changes![nested][0], other.clone(), false).await;
    assert_called_once(changes![calls][0], other, true).await;
}

async fn other<B: flamingock_tests::Backend>() -> (TestDatabase<B>, Pool<B::Db>) {
    let database = B::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "INSERT INTO done VALUES ('row')").await;
    (database, pool)
}

#[tokio::test]
async fn conflict_in_another_database_is_not_retried() {
    let (_first, postgres) = other::<Postgres>().await;
    for (text, says) in [
        (
            "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$",
            "deadlock",
        ),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'serialize' USING ERRCODE = '40001'; END $$",
            "serialize",
        ),
    ] {
        let pool = postgres.clone();
        assert_each_called_once(Arc::new(Other { pool, text, says })).await;
    }
    let (_second, mariadb) = other::<MariaDb>().await;
    for (text, says) in [
        (
            "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'deadlock'",
            "deadlock",
        ),
        (
            "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020, MESSAGE_TEXT = 'changed'",
            "changed",
        ),
    ] {
        let pool = mariadb.clone();
        assert_each_called_once(Arc::new(Other { pool, text, says })).await;
    }
}

#[tokio::test]
async fn lock_timeout_in_another_database_is_not_retried() {
    let (_first, postgres) = other::<Postgres>().await;
    let mut holds = postgres.begin().await.unwrap();
    query(&mut *holds, "LOCK TABLE done").await.unwrap();
    let other_one = Other {
        pool: postgres.clone(),
        text: "SET lock_timeout = '50ms'; SELECT * FROM done",
        says: "lock timeout",
    };
    assert_each_called_once(Arc::new(other_one)).await;

    let (_second, mariadb) = other::<MariaDb>().await;
    let mut holds = mariadb.begin().await.unwrap();
    query(&mut *holds, "UPDATE done SET what = 'held'")
        .await
        .unwrap();
    let other_one = Other {
        pool: mariadb.clone(),
        text: "SET innodb_lock_wait_timeout = 1; UPDATE done SET what = 'waits'",
        says: "Lock wait timeout",
    };
    assert_each_called_once(Arc::new(other_one)).await;

    let (_third, sqlite) = other::<Sqlite>().await;
    let mut holds = sqlite.begin_with("BEGIN IMMEDIATE").await.unwrap();
    query(&mut *holds, "UPDATE done SET what = 'held'")
        .await
        .unwrap();
    let other_one = Other {
        pool: sqlite.clone(),
        text: "PRAGMA busy_timeout = 10; UPDATE done SET what = 'waits'",
        says: "locked",
    };
    assert_each_called_once(Arc::new(other_one)).await;
}
