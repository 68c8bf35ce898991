//! Verify functions resolve attempts, and find effects that exist already.

use flamingock::report::Cause;
use flamingock::{BoxError, ErrorKind, Runner, UndoTarget, change, changes, rollback, verify};
use flamingock_tests::{Backend as _, audit, count, done, execute, with_table};
use sqlx::Pool;

use super::{Backend, Db};

#[change(id = "elsewhere", order = "001", register = false)]
async fn elsewhere(pool: &Pool<Db>) -> Result<(), sqlx::Error> {
    execute(pool, "INSERT INTO done VALUES ('elsewhere')").await;
    Ok(())
}

#[verify(elsewhere)]
async fn elsewhere_is_there(pool: &Pool<Db>) -> Result<bool, sqlx::Error> {
    let rows = "SELECT count(*) FROM done WHERE what = 'elsewhere'";
    Ok(count(pool, rows).await > 0)
}

#[tokio::test]
async fn adopt_verified_records_effects_that_already_exist() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "INSERT INTO done VALUES ('elsewhere')").await;
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

    execute(&pool, "DELETE FROM done").await;
    let after = runner().verify().await.unwrap();
    assert_eq!(
        (after[0].applied, after[0].present, after[0].agrees()),
        (true, Some(false), false)
    );
    execute(&pool, "DROP TABLE done").await;
    let failed = runner().verify().await.unwrap();
    assert!(
        failed[0].present.is_none() && failed[0].error.is_some(),
        "{failed:?}"
    );
    assert_eq!(audit(&pool).await.len(), 2);
}

#[tokio::test]
async fn failed_verify_function_leaves_an_issue_that_a_later_run_resolves() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![elsewhere]);
    runner().run().await.unwrap();
    let begun = "DELETE FROM flamingock_audit WHERE state = 'APPLIED'";
    execute(&pool, begun).await;
    let forget = "UPDATE flamingock_lock SET pipeline_digest = NULL";
    execute(&pool, forget).await;
    execute(&pool, "DROP TABLE done").await;

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

    execute(&pool, "CREATE TABLE done (what VARCHAR(200))").await;
    execute(&pool, "INSERT INTO done VALUES ('elsewhere')").await;
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
