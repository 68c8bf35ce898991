//! What operators do apart from runs: inspect, resolve, undo.

use flamingock::audit::{HistoryFilter, State};
use flamingock::report::{Cause, Resolved};
use flamingock::{
    BoxError, ErrorKind, Outcome, Resolution, Runner, UndoTarget, change, changes, rollback, verify,
};
use flamingock_tests::{Backend as _, audit, count, done, query, with_table};

use super::{Backend, Connection, Db};

type Pool = sqlx::Pool<Db>;

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

/// Has no rollback.
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

/// The answer of the verify function: whether the change's row exists.
async fn is_there(pool: &Pool, what: &str) -> Result<bool, sqlx::Error> {
    Ok(count(
        pool,
        &format!("SELECT count(*) FROM done WHERE what = '{what}'"),
    )
    .await
        > 0)
}

#[change(id = "elsewhere", order = "001", register = false)]
async fn elsewhere(pool: &Pool) -> Result<(), sqlx::Error> {
    flamingock_tests::execute(pool, "INSERT INTO done VALUES ('elsewhere')").await;
    Ok(())
}

#[verify(elsewhere)]
async fn elsewhere_is_there(pool: &Pool) -> Result<bool, sqlx::Error> {
    is_there(pool, "elsewhere").await
}

#[tokio::test]
async fn adopt_verified_records_effects_that_already_exist() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    flamingock_tests::execute(&pool, "INSERT INTO done VALUES ('elsewhere')").await;
    let runner = || Runner::new(&pool).changes(changes![elsewhere]);
    let report = runner().adopt_verified().run().await.unwrap();
    assert_eq!(report.counts().already_applied, 1);
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 1);
    let origins =
        "SELECT count(*) FROM flamingock_audit WHERE state = 'APPLIED' AND origin = 'verify'";
    assert_eq!(count(&pool, origins).await, 1);
    assert!(runner().run().await.unwrap().is_up_to_date());
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
    flamingock_tests::execute(&pool, &runner().schema().unwrap()).await;
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
}

#[tokio::test]
async fn verify_calls_verify_functions_and_writes_nothing() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![elsewhere]);
    let before = runner().verify().await.unwrap();
    assert_eq!(
        (before[0].applied, before[0].present, before[0].agrees()),
        (false, Some(false), true)
    );
    runner().run().await.unwrap();
    assert!(runner().verify().await.unwrap()[0].agrees());

    flamingock_tests::execute(&pool, "DELETE FROM done").await;
    let after = runner().verify().await.unwrap();
    assert_eq!(
        (after[0].applied, after[0].present, after[0].agrees()),
        (true, Some(false), false)
    );
    flamingock_tests::execute(&pool, "DROP TABLE done").await;
    let failed = runner().verify().await.unwrap();
    assert!(
        failed[0].present.is_none() && failed[0].error.is_some(),
        "{failed:?}"
    );
    assert_eq!(audit(&pool).await.len(), 2);
}

#[tokio::test]
async fn runner_is_sync_and_its_futures_are_send() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = std::sync::Arc::new(Runner::new(&pool).changes(changes![one]));
    let plan = tokio::spawn(async move { runner.plan().await });
    assert_eq!(plan.await.unwrap().unwrap().counts().not_reached, 1);
}

#[tokio::test]
async fn failed_verify_function_leaves_an_issue_that_a_later_run_resolves() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![elsewhere]);
    runner().run().await.unwrap();
    let begun = "DELETE FROM flamingock_audit WHERE state = 'APPLIED'";
    flamingock_tests::execute(&pool, begun).await;
    let forget = "UPDATE flamingock_lock SET pipeline_digest = NULL";
    flamingock_tests::execute(&pool, forget).await;
    flamingock_tests::execute(&pool, "DROP TABLE done").await;

    let error = runner().run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(change.issue, Some(Cause::VerifyFailed), "{error}");
    let reported = change.error.clone();
    // Recorded once, with the reason that the run reported; later runs do not record it again.
    let began = "elsewhere 1 STARTED none";
    assert_eq!(audit(&pool).await, [began, began]);
    let issues = runner().issues().await.unwrap();
    let listed: Vec<_> = issues
        .iter()
        .map(|issue| (issue.cause.clone(), issue.error.clone(), issue.attempt))
        .collect();
    assert_eq!(listed, [(Cause::VerifyFailed, reported, 1)]);
    let again = runner().run().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Issues, "{again}");
    assert_eq!(audit(&pool).await, [began, began]);

    flamingock_tests::execute(&pool, "CREATE TABLE done (what VARCHAR(200))").await;
    flamingock_tests::execute(&pool, "INSERT INTO done VALUES ('elsewhere')").await;
    assert_eq!(runner().run().await.unwrap().counts().already_applied, 1);
    assert_eq!(done(&pool).await, ["elsewhere"]);
    assert_eq!(
        audit(&pool).await,
        [began, began, "elsewhere 1 APPLIED none"]
    );
    assert!(runner().issues().await.unwrap().is_empty());
}

/// There is no attempt to resolve.
#[tokio::test]
async fn failed_verify_function_of_a_change_without_attempt_is_a_failure_and_no_issue() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    let runner = || Runner::new(&pool).changes(changes![elsewhere]);
    let error = runner().adopt_verified().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    assert!(format!("{error:#}").contains("verify function"), "{error}");
    assert!(runner().issues().await.unwrap().is_empty());
    assert!(audit(&pool).await.is_empty());
}

#[change(id = "verified", order = "001", register = false)]
async fn verified() {}

#[rollback(verified)]
async fn failing_rollback() -> Result<(), BoxError> {
    Err("the broker did not answer".into())
}

#[verify(verified)]
async fn verified_is_present() -> bool {
    true
}

#[tokio::test]
async fn failed_undo_is_resolved_by_the_verify_function() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    let runner = || Runner::new(&pool).changes(changes![verified]);
    runner().run().await.unwrap();
    let error = runner().undo(UndoTarget::Last).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let report = error.report().unwrap();
    assert!(report.changes().all(|change| change.issue.is_none()));
    assert!(runner().issues().await.unwrap().is_empty());
    // The next undo calls the verify function, too, and reverses the effects that are left.
    let again = runner().undo(UndoTarget::Last).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::ChangesFailed, "{again}");
    let text = format!("{again:#}");
    assert!(text.contains("the broker did not answer"), "{text}");
    assert!(runner().run().await.is_ok());
    assert_eq!(
        audit(&pool).await.last().unwrap(),
        "verified 1 APPLIED none"
    );
}
