//! A service that is named later never runs a change again that the application without a name has
//! begun.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Resolution, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, audit, done, execute, query, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[change(id = "two", order = "002", transaction = false, register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[change(id = "unrelated", order = "000", register = false)]
async fn unrelated(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('unrelated')")
        .await
        .map(drop)
}

#[change(id = "waits", order = "001", register = false)]
async fn waits(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('waits')")
        .await
        .map(drop)
}

fn named(pool: &Pool<Db>) -> Runner {
    Runner::new(pool)
        .service("orders")
        .changes(changes![one, two])
}

/// States of the latest entry of "two" that are neither applied nor rolled back.
const OPEN: [&str; 4] = ["STARTED", "FAILED", "ROLLBACK_FAILED", "PAUSED"];

/// The application without a name has attempted "two", which is in this state now.
async fn tried(pool: &Pool<Db>, state: &str) {
    let first = Runner::new(pool).changes(changes![two]).run().await;
    first.unwrap_err();
    let text = format!(
        "UPDATE flamingock_audit SET state = '{state}' WHERE change_id = 'two' AND state = 'FAILED'"
    );
    execute(pool, &text).await;
}

#[tokio::test]
async fn named_service_is_refused_while_the_unnamed_one_has_unresolved_changes() {
    for state in OPEN {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        tried(&pool, state).await;
        let before = audit(&pool).await;
        let error = named(&pool).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{state}: {error}");
        let text = format!("{error:#}");
        for word in [
            "\"two\"",
            state,
            "\"default\"",
            "\"orders\"",
            "independent_service",
        ] {
            assert!(text.contains(word), "{state}: {word}: {text}");
        }
        assert_eq!(done(&pool).await, ["two"], "{state}");
        assert_eq!(audit(&pool).await, before, "{state}");
        // Adoption reports the same problem and loses nothing.
        let error = named(&pool)
            .adopt_from_service("default")
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("\"two\""), "{state}: {error}");
        // Other ways to begin a history are refused, too.
        let error = named(&pool)
            .baseline("one", "for the test")
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("\"two\""), "{state}: {error}");
        assert_eq!(audit(&pool).await, before, "{state}");
        // The intended use: the application runs its own changes.
        let error = named(&pool).independent_service().run().await.unwrap_err();
        assert_eq!(error.kind().as_str(), "changes_failed", "{state}: {error}");
        assert_eq!(done(&pool).await, ["one", "two", "two"], "{state}");
    }
}

#[tokio::test]
async fn resolved_change_of_the_unnamed_service_is_adopted_as_resolved() {
    for (resolution, runs) in [(Resolution::Applied, false), (Resolution::RolledBack, true)] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        let first = Runner::new(&pool).changes(changes![one, two]).run().await;
        first.unwrap_err();
        named(&pool)
            .adopt_from_service("default")
            .await
            .unwrap_err();
        let unnamed = Runner::new(&pool).changes(changes![one, two]);
        unnamed.resolve("two", resolution, "looked").await.unwrap();
        let adopted = named(&pool).adopt_from_service("default").await.unwrap();
        assert_eq!(adopted, if runs { 1 } else { 2 });
        assert_eq!(named(&pool).run().await.is_err(), runs);
        let twos = done(&pool)
            .await
            .iter()
            .filter(|what| *what == "two")
            .count();
        assert_eq!(twos, if runs { 2 } else { 1 });
    }
}

#[tokio::test]
async fn named_service_is_refused_while_the_unnamed_one_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::default();
    let unnamed = Runner::new(&pool)
        .changes(changes![waits])
        .provide(gate.clone());
    let unnamed = tokio::spawn(unnamed.run());
    gate.reached().await;
    let runner = || {
        Runner::new(&pool)
            .service("orders")
            .changes(changes![waits])
            .provide(gate.clone())
    };
    // On SQLite the owner locks the file until then, so other writers wait.
    let read_only = <Backend as flamingock_tests::Backend>::NAME == "SQLite";
    if !read_only {
        let error = runner().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        for word in ["\"default\"", "lock", "independent_service"] {
            assert!(format!("{error:#}").contains(word), "{error}");
        }
        let error = runner().adopt_from_service("default").await.unwrap_err();
        assert!(format!("{error:#}").contains("\"default\""), "{error}");
    }
    gate.open();
    unnamed.await.unwrap().unwrap();
    assert_eq!(done(&pool).await, ["waits"]);
    let error = runner().run().await.unwrap_err();
    assert!(format!("{error:#}").contains("has applied 1"), "{error}");
    assert_eq!(runner().adopt_from_service("default").await.unwrap(), 1);
    assert!(runner().run().await.unwrap().is_up_to_date());
    assert_eq!(done(&pool).await, ["waits"]);
}

#[tokio::test]
async fn changes_of_another_unnamed_application_do_not_refuse_the_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    tried(&pool, "STARTED").await;
    let other = Runner::new(&pool)
        .service("billing")
        .changes(changes![unrelated]);
    assert_eq!(other.run().await.unwrap().counts().newly_applied, 1);
}

#[tokio::test]
async fn history_of_another_tool_does_not_bypass_the_unnamed_service() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(
        &pool,
        "CREATE TABLE seaql_migrations (version VARCHAR(255) PRIMARY KEY, applied_at BIGINT NOT NULL)",
    )
    .await;
    execute(
        &pool,
        "INSERT INTO seaql_migrations VALUES ('unrelated', 1)",
    )
    .await;
    let changes = || changes![unrelated, one].to_vec();
    let unnamed = Runner::new(&pool).changes(changes![one]);
    unnamed.run().await.unwrap();
    let named = || Runner::new(&pool).service("orders").changes(changes());
    let adoption = Adoption::of(Tool::SeaOrm);
    let error = named().adopt(&adoption).await.unwrap_err();
    assert!(format!("{error:#}").contains("\"default\""), "{error}");
    let error = named().adopt_first(adoption).run().await.unwrap_err();
    assert!(format!("{error:#}").contains("\"default\""), "{error}");
    assert_eq!(done(&pool).await, ["one"]);
}

#[tokio::test]
async fn name_that_resembles_the_unnamed_service_is_refused() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    Runner::new(&pool)
        .changes(changes![one])
        .run()
        .await
        .unwrap();
    for name in ["default ", " default", "", "orders"] {
        let error = named(&pool).adopt_from_service(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}: {error}");
    }
    // A name that differs in letter case is another service.
    let error = named(&pool)
        .adopt_from_service("Default")
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("applied nothing"), "{error}");
    assert_eq!(audit(&pool).await.len(), 1);
}
