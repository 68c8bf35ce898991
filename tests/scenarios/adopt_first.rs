//! Switching tools in one deployment: the first run adopts the history of the other tool.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{ErrorKind, Mode, Runner, UndoTarget, change, changes, rollback};
use flamingock_tests::{
    Backend as _, count, done, execute, query, strings, try_execute, with_table,
};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "0001_create_users", order = "001", register = false)]
async fn users(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('users')")
        .await
        .map(drop)
}

#[change(id = "0002_create_orders", order = "002", register = false)]
async fn orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

#[rollback(orders)]
async fn no_orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE orders").await.map(drop)
}

#[change(id = "third", order = "003", register = false)]
async fn third(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool)
        .changes(changes![users, orders, third])
        .adopt_first(Adoption::of(Tool::Sqlx).allow_empty())
}

const ENTRIES: &str =
    "SELECT change_id, state, origin FROM flamingock_audit WHERE state <> 'STARTED' ORDER BY seq";

const ADOPTED: [&str; 3] = [
    "0001_create_users|APPLIED|import",
    "0002_create_orders|APPLIED|import",
    "third|APPLIED|run",
];

#[tokio::test]
async fn first_run_adopts_the_history_and_applies_the_rest() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sqlx(&pool).await;
    let counts = runner(&pool).run().await.unwrap().counts();
    assert_eq!((counts.already_applied, counts.newly_applied), (2, 1));
    assert_eq!(done(&pool).await, ["third"]);
    assert_eq!(strings(&pool, ENTRIES).await, ADOPTED);
    execute(&pool, "DROP TABLE _sqlx_migrations").await;
    assert!(runner(&pool).run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn plan_shows_changes_to_adopt_as_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sqlx(&pool).await;
    let plan = runner(&pool).plan().await.unwrap().counts();
    assert_eq!((plan.already_applied, plan.not_reached), (2, 1));
    let plan = runner(&pool).mode(Mode::Plan).run().await.unwrap().counts();
    assert_eq!((plan.already_applied, plan.not_reached), (2, 1));
    let check = runner(&pool).mode(Mode::Check).run().await.unwrap_err();
    assert_eq!(check.report().unwrap().counts().not_reached, 1);
    let tables = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
    assert!(tables.is_err(), "a read-only call creates nothing");
}

#[tokio::test]
async fn first_adoption_is_never_repeated() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sqlx(&pool).await;
    runner(&pool).run().await.unwrap();
    let undo = runner(&pool).undo(UndoTarget::Change("0002_create_orders".to_owned()));
    undo.await.unwrap();
    // sqlx still accepts its own history.
    let report = runner(&pool).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(done(&pool).await, ["orders", "third"]);
}

#[tokio::test]
async fn new_environment_has_nothing_to_adopt() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let counts = runner(&pool).run().await.unwrap().counts();
    assert_eq!(counts.newly_applied, 3);
    assert_eq!(done(&pool).await, ["orders", "third", "users"]);
}

#[tokio::test]
async fn many_processes_adopt_the_history_once() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 8).await;
    super::super::peers::sqlx(&pool).await;
    let runs: Vec<_> = (0..4).map(|_| tokio::spawn(runner(&pool).run())).collect();
    for run in runs {
        run.await.unwrap().unwrap();
    }
    assert_eq!(strings(&pool, ENTRIES).await, ADOPTED);
    assert_eq!(done(&pool).await, ["third"]);
}

#[tokio::test]
async fn entry_without_a_change_refuses_the_run_unless_allowed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    super::super::peers::sqlx(&pool).await;
    let run = |adoption| {
        let changes = changes![users, third];
        Runner::new(&pool).changes(changes).adopt_first(adoption)
    };
    let error = run(Adoption::of(Tool::Sqlx)).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(
        format!("{error:#}").contains("\"2 create orders\""),
        "{error}"
    );
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_audit").await,
        0
    );
    assert!(done(&pool).await.is_empty());
    // The run released the lock.
    let allowed = run(Adoption::of(Tool::Sqlx).allow_unmapped());
    assert_eq!(allowed.run().await.unwrap().counts().newly_applied, 1);
    assert_eq!(done(&pool).await, ["third"]);
}

#[tokio::test]
async fn empty_history_refuses_the_run_unless_allowed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = Runner::new(&pool)
        .changes(changes![users])
        .adopt_first(Adoption::of(Tool::Sqlx));
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(done(&pool).await.is_empty());
}
