//! Acquiring the lock leaves the connections of the pool unchanged, whatever the result.

use std::time::Duration;

use flamingock::{ErrorKind, LockOptions, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, TestDatabase, execute, query, strings, until_every};
use sqlx::Pool;
use sqlx::pool::PoolConnection;

use super::{Backend, Connection, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// All settings of a session.
fn settings() -> &'static str {
    match NAME {
        "PostgreSQL" => {
            "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY 1; \
             SELECT 'transaction', count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND xact_start <> query_start"
        }
        "MariaDB" => {
            "SELECT CAST(VARIABLE_NAME AS CHAR), CAST(SESSION_VALUE AS CHAR) FROM information_schema.SYSTEM_VARIABLES \
             WHERE VARIABLE_SCOPE LIKE 'SESSION%' AND VARIABLE_NAME NOT IN ('TIMESTAMP', 'PSEUDO_THREAD_ID', 'LAST_INSERT_ID', \
             'IDENTITY', 'RAND_SEED1', 'RAND_SEED2', 'LAST_GTID', 'WARNING_COUNT', 'ERROR_COUNT') ORDER BY 1"
        }
        _ => {
            "SELECT CAST(timeout AS TEXT) FROM pragma_busy_timeout; \
             SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous; \
             SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys; \
             SELECT CAST(query_only AS TEXT) FROM pragma_query_only"
        }
    }
}

/// The locks that sessions of this database hold, except the session that runs this query.
const HELD: Option<&str> = match NAME.as_bytes() {
    b"PostgreSQL" => Some(
        "SELECT l.locktype FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory'
         UNION ALL SELECT state FROM pg_stat_activity WHERE datname = current_database()
         AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
    ),
    b"MariaDB" => Some(
        "SELECT CAST(t.trx_state AS CHAR) FROM information_schema.INNODB_TRX t
         JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
         WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID()",
    ),
    _ => None,
};

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

#[change(id = "counted", order = "002", register = false)]
async fn counted(_db: &mut Connection) {}

fn waiting(wait: u64) -> LockOptions {
    LockOptions::default()
        .wait(Duration::from_millis(wait))
        .poll(Duration::from_millis(10))
}

struct Ground {
    database: TestDatabase<Backend>,
    /// The application's pool, with one connection.
    pool: Pool<Db>,
    watch: Pool<Db>,
    before: Vec<String>,
}

impl Ground {
    /// The tables exist, and a change is pending.
    async fn new() -> Ground {
        let database = Backend::fresh().await;
        let (pool, watch) = (database.pool(1).await, database.pool(2).await);
        let gate = Gate::default();
        gate.open();
        let first = Runner::new(&watch).changes(changes![gated]).provide(gate);
        first.run().await.unwrap();
        let before = strings(&pool, settings()).await;
        assert!(!before.is_empty());
        Ground {
            database,
            pool,
            watch,
            before,
        }
    }

    fn runner(&self) -> Runner {
        Runner::new(&self.pool)
            .changes(changes![gated, counted])
            .provide(Gate::default())
    }

    /// Its sessions are unchanged and hold no locks.
    async fn assert_clean(&self, case: &str) {
        assert_eq!(strings(&self.pool, settings()).await, self.before, "{case}");
        if let Some(held) = HELD {
            // InnoDB refreshes INNODB_TRX only if no session has read it for 0.1 s.
            let pause = Duration::from_millis(250);
            until_every(pause, "nothing is held", async || {
                strings(&self.watch, held).await.is_empty()
            })
            .await;
        } else {
            let mut other = self.database.pool(1).await.acquire().await.unwrap();
            query(&mut *other, "BEGIN IMMEDIATE; ROLLBACK")
                .await
                .unwrap();
        }
        let report = self.runner().run().await.unwrap();
        assert_eq!(report.counts().newly_applied, 1, "{case}");
        assert_eq!(strings(&self.pool, settings()).await, self.before, "{case}");
    }

    /// Blocks every acquisition of the lock until it is dropped.
    async fn keep_claims_waiting(&self) -> PoolConnection<Db> {
        let mut busy = self.watch.acquire().await.unwrap();
        let text = match NAME {
            "PostgreSQL" => "BEGIN; LOCK TABLE flamingock_lease IN ACCESS EXCLUSIVE MODE",
            "MariaDB" => "LOCK TABLES flamingock_lease WRITE",
            _ => "BEGIN IMMEDIATE",
        };
        query(&mut *busy, text).await.unwrap();
        busy
    }
}

/// Refused by the database itself, through a rule about the row of the lock.
fn refusal() -> [&'static str; 2] {
    match NAME {
        "PostgreSQL" => [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
             CREATE TRIGGER refused BEFORE UPDATE ON flamingock_lease FOR EACH ROW EXECUTE FUNCTION refuse()",
            "DROP TRIGGER refused ON flamingock_lease",
        ],
        "MariaDB" => [
            "CREATE TRIGGER refused BEFORE UPDATE ON flamingock_lease FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'",
            "DROP TRIGGER refused",
        ],
        _ => [
            "CREATE TRIGGER refused BEFORE UPDATE ON flamingock_lease BEGIN SELECT raise(FAIL, 'refused'); END",
            "DROP TRIGGER refused",
        ],
    }
}

#[tokio::test]
async fn failed_acquisition_leaves_a_clean_connection() {
    let ground = Ground::new().await;
    let [refuse, go_on] = refusal();
    execute(&ground.watch, refuse).await;
    for _ in 0..3 {
        let error = ground.runner().lock(waiting(500)).run().await.unwrap_err();
        assert!(format!("{error:?}").contains("refused"), "{error:?}");
    }
    execute(&ground.watch, go_on).await;
    ground.assert_clean("refused by the database").await;
}

#[tokio::test]
async fn acquisition_that_lost_a_race_leaves_a_clean_connection() {
    let ground = Ground::new().await;
    let gate = Gate::default();
    let (database, other) = (&ground.database, ground.database.pool(2).await);
    let _ = database;
    execute(&other, "UPDATE flamingock_lock SET pipeline_digest = NULL").await;
    execute(&other, "DELETE FROM flamingock_audit").await;
    let owner = Runner::new(&other)
        .changes(changes![gated])
        .provide(gate.clone());
    let owner = tokio::spawn(owner.run());
    gate.reached().await;
    let error = ground.runner().lock(waiting(300)).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
    // A forced acquisition, and one that is refused because it names another owner.
    gate.open();
    owner.await.unwrap().unwrap();
    ground.assert_clean("another owner").await;
}

#[tokio::test]
async fn acquisition_that_times_out_leaves_a_clean_connection() {
    let ground = Ground::new().await;
    let busy = ground.keep_claims_waiting().await;
    let ended = ground.runner().lock(waiting(300)).run().await;
    assert!(ended.is_err(), "{ended:?}");
    busy.detach();
    ground.assert_clean("waited too long").await;
}

#[tokio::test]
async fn cancelled_acquisition_leaves_a_clean_connection() {
    for after in [0, 20, 200] {
        let ground = Ground::new().await;
        let busy = ground.keep_claims_waiting().await;
        let run = tokio::spawn(ground.runner().lock(waiting(30_000)).run());
        tokio::time::sleep(Duration::from_millis(after)).await;
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
        busy.detach();
        ground
            .assert_clean(&format!("dropped after {after} ms"))
            .await;
    }
}
