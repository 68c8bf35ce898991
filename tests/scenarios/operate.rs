//! What operators do apart from runs: inspect, resolve, undo.

use flamingock::audit::{HistoryFilter, State};
use flamingock::report::{Cause, Resolved};
use flamingock::{
    BoxError, ErrorKind, Outcome, Resolution, Runner, UndoTarget, change, changes, rollback,
};
use flamingock_tests::{Backend as _, audit, count, done, execute, query, with_table};

use super::{Backend, Connection};

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

#[rollback(one)]
async fn no_one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'one'")
        .await
        .map(drop)
}

#[change(id = "two", order = "002", register = false)]
async fn two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('two')").await.map(drop)
}

#[rollback(two, transaction = false)]
async fn no_two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'two'")
        .await
        .map(drop)
}

#[change(id = "three", order = "003", register = false)]
async fn three(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('three')")
        .await
        .map(drop)
}

#[rollback(three)]
async fn no_three(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "DELETE FROM done WHERE what = 'three'").await?;
    Err("the table is still in use".into())
}

#[change(id = "stays", order = "004", register = false)]
async fn stays(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('stays')")
        .await
        .map(drop)
}

#[change(id = "breaks", order = "005", transaction = false, register = false)]
async fn breaks(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('breaks')").await?;
    Err("half-way".into())
}

/// Its rollback fails.
#[change(id = "zero", order = "000", register = false)]
async fn zero(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('zero')")
        .await
        .map(drop)
}

#[rollback(zero)]
async fn no_zero(_db: &mut Connection) -> Result<(), BoxError> {
    Err("the table is still in use".into())
}

#[tokio::test]
async fn failed_undo_names_only_the_failed_change() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![zero, one, two]);
    runner().run().await.unwrap();
    let error = runner().undo(UndoTarget::Count(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let text = format!("{error:#}");
    assert!(text.starts_with("\"zero\" failed\n"), "{text}");
    let counts = error.report().unwrap().counts();
    assert_eq!((counts.failed, counts.undone), (1, 2), "{text}");
    assert_eq!(done(&pool).await, ["zero"]);
}

#[tokio::test]
async fn undone_changes_are_reversed_last_first_and_become_pending() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![one, two]);
    runner().run().await.unwrap();

    let report = runner().undo(UndoTarget::Count(5)).await.unwrap();
    let undone: Vec<_> = report
        .changes()
        .map(|one| (one.id.as_str(), one.outcome))
        .collect();
    assert_eq!(undone, [("two", Outcome::Undone), ("one", Outcome::Undone)]);
    assert!(done(&pool).await.is_empty());
    let latest = runner()
        .history(&HistoryFilter::default().latest_only())
        .await
        .unwrap();
    assert!(latest.iter().all(|entry| entry.state == State::RolledBack));
    assert!(latest.iter().all(|entry| entry.origin.as_str() == "undo"));

    assert_eq!(runner().plan().await.unwrap().counts().not_reached, 2);
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 2);
    assert_eq!(
        runner()
            .undo(UndoTarget::To("one".into()))
            .await
            .unwrap()
            .changes()
            .count(),
        1
    );
    assert_eq!(done(&pool).await, ["one"]);
}

#[tokio::test]
async fn undo_is_refused_as_a_whole_if_one_change_has_no_rollback() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![one, stays]);
    runner().run().await.unwrap();
    let error = runner().undo(UndoTarget::Count(2)).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("\"stays\" has no `#[rollback]`"),
        "{error}"
    );
    let error = runner()
        .undo(UndoTarget::Change("nobody".into()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(done(&pool).await, ["one", "stays"]);
    assert_eq!(
        count(
            &pool,
            "SELECT count(*) FROM flamingock_audit WHERE origin = 'undo'"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn failed_undo_that_was_rolled_back_leaves_the_change_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![three]);
    runner().run().await.unwrap();
    let error = runner().undo(UndoTarget::Last).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("the table is still in use"),
        "{error}"
    );
    assert_eq!(done(&pool).await, ["three"]);
    let rows = audit(&pool).await;
    assert_eq!(
        rows.last().map(String::as_str),
        Some("three 1 APPLIED shared"),
        "{rows:?}"
    );
    assert!(runner().run().await.unwrap().is_up_to_date());
}

#[tokio::test]
async fn issue_is_resolved_once_and_with_a_reason() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![one, breaks]);
    runner().run().await.unwrap_err();

    let issues = runner().issues().await.unwrap();
    assert_eq!(issues.len(), 1);
    assert_eq!(
        (issues[0].change_id.as_str(), &issues[0].cause),
        ("breaks", &Cause::Failed)
    );
    let error = runner().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error}");

    let no_reason = runner()
        .resolve("breaks", Resolution::Applied, " ")
        .await
        .unwrap_err();
    assert!(
        no_reason.to_string().contains("needs a reason"),
        "{no_reason}"
    );
    let unknown = runner()
        .resolve("nobody", Resolution::Applied, "x")
        .await
        .unwrap_err();
    assert!(unknown.to_string().contains("knows no change"), "{unknown}");
    let healthy = runner()
        .resolve("one", Resolution::RolledBack, "x")
        .await
        .unwrap_err();
    assert!(
        healthy.to_string().contains("needs no resolution"),
        "{healthy}"
    );

    let resolved = runner()
        .resolve("breaks", Resolution::Applied, "seen in the table")
        .await;
    assert_eq!(resolved.unwrap(), Resolved::Recorded);
    let again = runner()
        .resolve("breaks", Resolution::Applied, "again")
        .await
        .unwrap();
    assert_eq!(again, Resolved::Unchanged);
    assert!(runner().run().await.unwrap().is_up_to_date());
    let reasons = "SELECT count(*) FROM flamingock_audit WHERE reason = 'seen in the table'";
    assert_eq!(count(&pool, reasons).await, 1);
}

#[tokio::test]
async fn tables_created_from_the_schema_text_serve_a_run_that_creates_none() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || {
        Runner::new(&pool)
            .changes(changes![one])
            .create_tables(false)
    };
    let error = runner().run().await.unwrap_err();
    assert!(format!("{error:#}").contains("flamingock_audit"), "{error}");
    execute(&pool, &runner().schema().unwrap()).await;
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
}

#[tokio::test]
async fn runner_is_sync_and_its_futures_are_send() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = std::sync::Arc::new(Runner::new(&pool).changes(changes![one]));
    let plan = tokio::spawn(async move { runner.plan().await });
    assert_eq!(plan.await.unwrap().unwrap().counts().not_reached, 1);
}
