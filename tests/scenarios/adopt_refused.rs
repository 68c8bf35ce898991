//! A history that cannot be adopted completely is not adopted at all.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, count, execute, query, strings, try_execute};
use sqlx::Pool;
use sqlx::migrate::Migrate;

use super::super::rows;
use super::{Backend, Connection, Db};

#[change(id = "0001_create_users", order = "001", register = false)]
async fn users(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "SELECT 1").await.map(drop)
}

#[change(id = "0002_create_orders", order = "002", register = false)]
async fn orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "SELECT 1").await.map(drop)
}

fn name() -> &'static str {
    <Backend as flamingock_tests::Backend>::NAME
}

fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![users, orders])
}

async fn refused(pool: &Pool<Db>, adoption: &Adoption) -> String {
    let error = runner(pool).adopt(adoption).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    format!("{error:#}")
}

/// No table was created, so nothing was written.
async fn nothing_was_written(pool: &Pool<Db>) {
    assert!(
        try_execute(pool, "SELECT * FROM flamingock_audit")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn history_with_a_failed_attempt_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    super::super::peers::sqlx(&pool).await;
    execute(
        &pool,
        "UPDATE _sqlx_migrations SET success = false WHERE version = 2",
    )
    .await;
    let error = refused(&pool, &Adoption::of(Tool::Sqlx)).await;
    assert!(
        error.contains("did not end well: 2 create orders."),
        "{error}"
    );
    nothing_was_written(&pool).await;
}

#[tokio::test]
async fn history_of_a_running_tool_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    super::super::peers::sqlx(&pool).await;
    // On SQLite, sqlx has no lock.
    if name() != "SQLite" {
        let mut at_work = pool.acquire().await.unwrap();
        if name() == "MariaDB" {
            // The name that sqlx gives the lock. Its own statement waits -1 seconds, for which
            // MariaDB returns NULL and no lock.
            let name = "LOWER(HEX(1026731422 * CRC32(DATABASE())))";
            let lock = format!("SELECT GET_LOCK({name}, 0)");
            assert_eq!(query(&mut *at_work, &lock).await.unwrap(), ["1"]);
        } else {
            at_work.lock().await.unwrap();
        }
        let error = refused(&pool, &Adoption::of(Tool::Sqlx)).await;
        assert!(
            error.contains("sqlx is running: its lock is held"),
            "{error}"
        );
        nothing_was_written(&pool).await;
        at_work.close().await.unwrap();
    }
    let adopted = runner(&pool).adopt(&Adoption::of(Tool::Sqlx)).await;
    assert_eq!(adopted.unwrap().adopted.len(), 2);
}

#[tokio::test]
async fn histories_of_running_goose_liquibase_and_java_are_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    for statement in [rows::GOOSE, rows::LIQUIBASE, rows::FLAMINGOCK_JAVA].concat() {
        let statement = match name() {
            "MariaDB" => statement.replace('"', "`"),
            _ => statement.to_owned(),
        };
        execute(&pool, &statement).await;
    }
    if name() == "PostgreSQL" {
        let mut held = pool.acquire().await.unwrap();
        query(&mut *held, "SELECT pg_advisory_lock(4097083626)")
            .await
            .unwrap();
        let error = refused(&pool, &Adoption::of(Tool::Goose)).await;
        assert!(error.contains("goose is running"), "{error}");
        held.close().await.unwrap();
    }
    execute(
        &pool,
        "UPDATE DATABASECHANGELOGLOCK SET LOCKED = true, LOCKEDBY = 'ada'",
    )
    .await;
    let error = refused(&pool, &Adoption::of(Tool::Liquibase)).await;
    assert!(error.contains("is locked by ada"), "{error}");
    let key = if name() == "MariaDB" {
        "`key`"
    } else {
        "\"key\""
    };
    execute(
        &pool,
        &format!("INSERT INTO flamingockLock ({key}, status, owner) VALUES ('default', 'LOCK_HELD', 'ben')"),
    )
    .await;
    let error = refused(&pool, &Adoption::of(Tool::FlamingockJava)).await;
    assert!(error.contains("says that ben has the lock"), "{error}");
    nothing_was_written(&pool).await;
}

#[tokio::test]
async fn empty_history_is_refused_unless_allowed() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    let adoption = Adoption::of(Tool::Sqlx);
    let error = refused(&pool, &adoption).await;
    assert!(error.contains("no table \"_sqlx_migrations\""), "{error}");
    super::super::peers::sqlx(&pool).await;
    execute(&pool, "DELETE FROM _sqlx_migrations").await;
    let error = refused(&pool, &adoption).await;
    assert!(error.contains("is empty"), "{error}");
    nothing_was_written(&pool).await;
    for gone in ["SELECT 1", "DROP TABLE _sqlx_migrations"] {
        execute(&pool, gone).await;
        let allowed = adoption.clone().allow_empty();
        let adopted = runner(&pool).adopt(&allowed).await.unwrap();
        assert_eq!(adopted.adopted.len(), 0);
        assert_eq!(adopted.not_in_history.len(), 2);
    }
}

#[tokio::test]
async fn mapping_that_does_not_match_is_refused() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    super::super::peers::sqlx(&pool).await;
    let adoption = || Adoption::of(Tool::Sqlx);
    let cases = [
        (
            adoption()
                .mapping("1 = 0001_create_users\n2 = creat-orders")
                .unwrap(),
            "mapping, line 2: sqlx's \"2 create orders\" is mapped to \"creat-orders\", and there is no such change here",
        ),
        (
            adoption().map(|_| Some("0001_create_users".to_owned())),
            "both map to the change \"0001_create_users\"",
        ),
        (
            adoption().map(|_| None),
            "not one change of sqlx's history is here: \"1 create users\", \"2 create orders\"",
        ),
        (adoption().table("a;b"), "use letters, digits"),
    ];
    for (adoption, expected) in cases {
        let error = refused(&pool, &adoption).await;
        assert!(error.contains(expected), "{error}");
    }
    nothing_was_written(&pool).await;
}

#[tokio::test]
async fn one_failed_entry_adopts_nothing() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    super::super::peers::sqlx(&pool).await;
    execute(&pool, &runner(&pool).schema().unwrap()).await;
    let second = "NEW.change_id = '0002_create_orders'";
    let triggers: &[&str] = match name() {
        "SQLite" => &[&format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit WHEN {second} \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )],
        "MariaDB" => &[&format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit FOR EACH ROW \
             BEGIN IF {second} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF; END"
        )],
        _ => &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$",
            &format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit FOR EACH ROW WHEN ({second}) EXECUTE FUNCTION refuse()"
            ),
        ],
    };
    for trigger in triggers {
        execute(&pool, trigger).await;
    }
    let error = runner(&pool).adopt(&Adoption::of(Tool::Sqlx)).await;
    assert!(
        matches!(&error, Err(error) if error.kind() == ErrorKind::Store),
        "{error:?}"
    );
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_audit").await,
        0
    );
    let drop = match name() {
        "PostgreSQL" => "DROP TRIGGER refuse ON flamingock_audit",
        _ => "DROP TRIGGER refuse",
    };
    execute(&pool, drop).await;
    let adopted = runner(&pool).adopt(&Adoption::of(Tool::Sqlx)).await;
    assert_eq!(adopted.unwrap().adopted.len(), 2);
    let lock = "SELECT run_id FROM flamingock_lock";
    assert_eq!(strings(&pool, lock).await, [""]);
}

#[change(id = "0001_create_users", order = "001", register = false)]
async fn waits(gate: &Gate) {
    gate.pass().await;
}

#[tokio::test]
async fn adoption_is_refused_while_a_run_has_the_lock() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    super::super::peers::sqlx(&pool).await;
    let gate = Gate::default();
    let at_work = Runner::new(&pool)
        .changes(changes![waits])
        .provide(gate.clone());
    let at_work = tokio::spawn(at_work.run());
    gate.reached().await;
    let error = runner(&pool).adopt(&Adoption::of(Tool::Sqlx)).await;
    assert!(
        matches!(&error, Err(error) if error.kind() == ErrorKind::LockTimeout),
        "{error:?}"
    );
    let imports = "SELECT count(*) FROM flamingock_audit WHERE origin = 'import'";
    assert_eq!(count(&pool, imports).await, 0);
    gate.open();
    at_work.await.unwrap().unwrap();
}
