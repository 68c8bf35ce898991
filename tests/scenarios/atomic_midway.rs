//! DDL in an atomic stage on MariaDB, where it commits.

use flamingock::report::Note;
use flamingock::{BoxError, Outcome, Runner, Stage, change, changes};
use flamingock_tests::{
    Backend as _, audit, count, done, execute, folder, query, until, with_table,
};

use super::{Backend, Connection};

#[change(id = "first", order = "001", stage = "seed", register = false)]
async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

#[change(id = "table", order = "002", stage = "seed", register = false)]
async fn table(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (id INT)").await?;
    query(db, "INSERT INTO done VALUES ('table')")
        .await
        .map(drop)
}

#[change(id = "third", order = "003", stage = "seed", register = false)]
async fn third(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

#[change(id = "fails", order = "004", stage = "seed", register = false)]
async fn fails(db: &mut Connection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('fails')").await?;
    Err("no further".into())
}

#[tokio::test]
async fn changes_committed_by_ddl_are_recorded_and_the_rest_is_rolled_back() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
    let runner = runner.changes(changes![first, table, third, fails]);
    let error = runner.run().await.unwrap_err();
    let report = error.report().unwrap();
    let outcomes: Vec<_> = report.changes().map(|change| change.outcome).collect();
    let (applied, back) = (Outcome::NewlyApplied, Outcome::RolledBack);
    assert_eq!(outcomes, [applied, applied, back, back], "{report}");
    let notes: Vec<_> = report.changes().flat_map(|change| &change.notes).collect();
    assert_eq!(notes, [&Note::CommittedMidway]);
    assert_eq!(done(&pool).await, ["first", "table"]);
    let expected = [
        "first 1 APPLIED shared",
        "table 1 APPLIED none",
        "third 1 ROLLED_BACK shared",
        "fails 1 FAILED shared",
        "fails 1 ROLLED_BACK shared",
    ];
    let states = audit(&pool).await;
    let states: Vec<_> = states
        .iter()
        .filter(|state| !state.contains("STARTED"))
        .collect();
    assert_eq!(states, expected);
}

#[tokio::test]
async fn file_with_ddl_is_refused_before_anything_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let text = "-- flamingock: stage=seed\nINSERT INTO done VALUES ('one');\n/* a table */ create table made (id int);\n";
    let temporary = "-- flamingock: stage=seed\nCREATE TEMPORARY TABLE made (id INT);\nDROP TEMPORARY TABLE made;\n";
    let runner = || Runner::new(&pool).stage(Stage::new("seed").atomic());
    let files = folder(&[("0001__temporary.sql", temporary), ("0002__ddl.sql", text)]);
    let error = runner().files(files).run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("changes/0002__ddl.sql:3: CREATE has no place in an atomic stage"),
        "{text}"
    );
    assert!(!text.contains("0001__temporary"), "{text}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let files = folder(&[("0001__temporary.sql", temporary)]);
    runner().files(files).run().await.unwrap();
}

/// A dump has statements that only servers of other versions execute.
#[tokio::test]
async fn skipped_executable_comments_are_no_error() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let dumped = "-- flamingock: stage=seed\n/*!999999 x */;\nINSERT INTO done VALUES ('dumped');\n/*!999999 x */;\n";
    let plain = "-- flamingock: stage=seed\nINSERT INTO done VALUES ('plain')";
    let files = folder(&[
        ("0001__plain.sql", plain),
        ("0002__dumped.sql", dumped),
        ("0003__again.sql", plain),
    ]);
    let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
    runner.files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["dumped", "plain", "plain"]);
}

/// When no answer to a message is read to its end, only the changes committed midway show how far
/// it came.
#[tokio::test]
async fn changes_committed_midway_stay_applied_when_the_run_is_stopped() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let watch = database.pool(1).await;
    execute(&pool, "CREATE PROCEDURE sneaky() CREATE TABLE made (n INT)").await;
    let header = "-- flamingock: stage=seed\n";
    let first = format!("{header}INSERT INTO done VALUES ('first')");
    let second = format!(
        "{header}INSERT INTO done VALUES ('second');\nCALL sneaky();\nINSERT INTO done SELECT SLEEP(60);"
    );
    let files = folder(&[
        ("0001__first.sql", &first),
        ("0001__first.rollback.sql", "DELETE FROM done"),
        ("0002__second.sql", &second),
        ("0003__third.sql", &first),
    ]);
    let (stop, asked) = tokio::sync::oneshot::channel::<()>();
    let runner = Runner::new(&pool).stage(Stage::new("seed").atomic());
    let run = runner
        .files(files)
        .run()
        .cancel_on(async { drop(asked.await) });
    let run = tokio::spawn(run);
    let sleeping = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep' AND DB = DATABASE()";
    until("the second file sleeps", async || {
        count(&watch, sleeping).await > 0
    })
    .await;
    stop.send(()).unwrap();
    let error = run.await.unwrap().unwrap_err();
    let report = error.report().unwrap();
    let outcomes: Vec<_> = report.changes().map(|change| change.outcome).collect();
    let expected = [Outcome::NewlyApplied, Outcome::Failed, Outcome::Blocked];
    assert_eq!(outcomes, expected, "{report}");
    assert_eq!(done(&watch).await, ["first", "second"]);
    let states = audit(&watch).await;
    let states: Vec<_> = states
        .iter()
        .filter(|state| !state.contains("STARTED"))
        .collect();
    assert_eq!(states, ["first 1 APPLIED shared", "second 1 FAILED none"]);
}
