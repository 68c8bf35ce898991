//! A retired change keeps the place of a deleted one: fine where it is applied, refused where not.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{
    Definition, ErrorKind, Mode, Outcome, Policy, Rule, Runner, Stage, UndoTarget, change, changes,
    retired, rollback,
};
use flamingock_tests::{Backend as _, done, execute, query, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "create-orders", order = "0001", register = false)]
async fn create_orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

#[rollback(create_orders)]
async fn undo_create_orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

#[change(id = "half", order = "0001", transaction = false, register = false)]
async fn half(_db: &mut Connection) -> Result<(), flamingock::BoxError> {
    Err("the broker is away".into())
}

#[change(id = "create-invoices", order = "0002", register = false)]
async fn create_invoices(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('invoices')")
        .await
        .map(drop)
}

fn old(pool: &Pool<Db>) -> Runner {
    Runner::new(pool).changes(changes![create_orders])
}

/// The release after the one that deleted the change.
fn new(pool: &Pool<Db>) -> Runner {
    let retired: &'static Definition = retired!(
        "create-orders",
        order = "0001",
        since = "1.8",
        register = false
    );
    let [new] = changes![create_invoices];
    Runner::new(pool).changes([retired, new])
}

/// Every entry point that runs or plans refuses it.
async fn refused(pool: &Pool<Db>, can_be_marked: bool) {
    let errors = [
        new(pool).plan().await.unwrap_err(),
        new(pool).mode(Mode::Check).run().await.unwrap_err(),
        new(pool).run().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let text = format!("{error:#}");
        for expected in [
            "scenarios/retired.rs:",
            "\"create-orders\" is retired, and not applied here: upgrade through 1.8 first",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let marking = "`baseline create-orders --reason \"..\"` (in code `Runner::baseline`)";
        assert_eq!(text.contains(marking), can_be_marked, "{text}");
    }
}

#[tokio::test]
async fn retired_change_is_fine_where_it_is_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    old(&pool).run().await.unwrap();
    let policy = Policy::default().missing(Rule::Deny).drift(Rule::Deny);
    let report = new(&pool).policy(policy).run().await.unwrap();
    let outcomes: Vec<Outcome> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(outcomes, [Outcome::AlreadyApplied, Outcome::NewlyApplied]);
    assert_eq!(done(&pool).await, ["invoices", "orders"]);
    assert!(new(&pool).run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn retired_change_is_refused_where_it_is_not_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    refused(&pool, true).await;
    assert_eq!(done(&pool).await, [""; 0], "a new environment");

    old(&pool).run().await.unwrap();
    old(&pool).undo(UndoTarget::Last).await.unwrap();
    refused(&pool, false).await;
    assert_eq!(done(&pool).await, [""; 0], "an undone change");
}

#[tokio::test]
async fn retired_change_whose_attempt_failed_is_refused() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let half = Runner::new(&pool).changes(changes![half]).run().await;
    assert_eq!(half.unwrap_err().kind(), ErrorKind::ChangesFailed);
    let retired = retired!("half", order = "0001", since = "2.0", register = false);
    let runner = Runner::new(&pool).changes([retired]);
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(format!("{error:#}").contains("upgrade through 2.0 first"));
    assert_eq!(runner.issues().await.unwrap().len(), 1);
}

#[tokio::test]
async fn baseline_marks_a_retired_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let new = || new(&pool);
    let runner = new();
    let marked = runner.baseline("create-orders", "made from a dump").await;
    assert_eq!(marked.unwrap().recorded, ["create-orders"]);
    let report = new().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    // The release that still has the change does not take it for edited.
    for runner in [
        new(),
        old(&pool).policy(Policy::default().drift(Rule::Deny)),
    ] {
        let plan = runner.plan().await.unwrap().to_string();
        assert!(!plan.contains("edited"), "{plan}");
    }
}

#[tokio::test]
async fn retired_change_cannot_be_undone() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    old(&pool).run().await.unwrap();
    let one = UndoTarget::Change("create-orders".to_owned());
    let error = new(&pool).undo(one).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("is retired, so its rollback is not in this binary: nothing was undone. 1.8 is the last version that has it"),
        "{error}"
    );
    assert_eq!(done(&pool).await, ["orders"]);
}

#[tokio::test]
async fn retired_change_keeps_its_place() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let [same_order] = changes![create_orders];
    let retired = retired!("older", order = "001", since = "1.8", register = false);
    let error = Runner::new(&pool)
        .changes([retired, same_order])
        .run()
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("order \"0001\" equals order \"001\""),
        "{error}"
    );
    let manifest = new(&pool).manifest().unwrap();
    assert!(
        manifest
            .contains("\ndefault 0001 \"create-orders\" target=default no-transaction retired\n"),
        "{manifest}"
    );
}

#[change(id = "only-dev", order = "0001", tags = ["dev"], register = false)]
async fn only_dev(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('dev')").await.map(drop)
}

/// An environment that never selected the change does not miss it.
#[tokio::test]
async fn retired_change_keeps_its_tags() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let of = |changes: Vec<&'static Definition>| Runner::new(&pool).changes(changes).tags(["prod"]);
    let report = of(changes![only_dev].to_vec()).run().await.unwrap();
    assert_eq!(report.counts().filtered, 1);
    let retired = retired!(
        "only-dev",
        order = "0001",
        since = "1.8",
        tags = ["dev"],
        register = false
    );
    let report = of(vec![retired]).run().await.unwrap();
    assert_eq!(report.counts().filtered, 1);
    let selected = Runner::new(&pool).changes([retired]).tags(["dev"]);
    let error = selected.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn retired_change_stays_in_its_atomic_stage() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let atomic = |runner: Runner| runner.stage(Stage::new("default").atomic());
    atomic(old(&pool)).run().await.unwrap();
    let report = atomic(new(&pool)).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
}

/// The run adopts the history once it has the lock.
#[tokio::test]
async fn retired_change_is_adopted() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let history = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY,
        description VARCHAR(99) NOT NULL, installed_on TIMESTAMP NULL, success BOOLEAN NOT NULL,
        checksum VARCHAR(99) NOT NULL, execution_time BIGINT NOT NULL)";
    execute(&pool, history).await;
    let row = "INSERT INTO _sqlx_migrations VALUES (1, 'users', NULL, true, '00', 1)";
    execute(&pool, row).await;
    let retired = retired!(
        "0001_users",
        order = "0001",
        since = "1.8",
        register = false
    );
    let [new] = changes![create_invoices];
    let runner = Runner::new(&pool)
        .changes([retired, new])
        .adopt_first(Adoption::of(Tool::Sqlx));
    let report = runner.run().await.unwrap();
    let outcomes: Vec<Outcome> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(outcomes, [Outcome::AlreadyApplied, Outcome::NewlyApplied]);
}
