//! A failed change is reported, whatever else ends the run.

use std::time::Duration;

use flamingock::{
    BoxError, Error, ErrorKind, LockOptions, Outcome, Runner, Stage, UndoTarget, change, changes,
    rollback,
};
use flamingock_tests::{Backend as _, Gate, audit, execute, query, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const SOON: Duration = Duration::from_secs(30);

/// Steals the lock, like a run that finds the lease expired.
const TAKE_OVER: &str = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'";

/// May finish when the run is stopped, and then fails.
#[change(id = "fails", order = "001", stage = "left", register = false)]
async fn fails(gate: &Gate) -> Result<(), BoxError> {
    gate.pass().await;
    Err("the broker did not answer".into())
}

#[change(id = "behind", order = "002", stage = "left", register = false)]
async fn behind() {}

#[change(id = "panics", order = "001", stage = "left", register = false)]
async fn panics(gate: &Gate) {
    gate.pass().await;
    panic!("the broker did not answer");
}

/// Another stage waits here until `fails` has failed.
#[derive(Debug)]
struct Elsewhere(Gate);

/// Is dropped when the run is stopped.
#[change(id = "stops", order = "001", stage = "right", register = false)]
async fn stops(db: &mut Connection, gate: &Elsewhere) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('stops')").await?;
    gate.0.pass().await;
    Ok(())
}

/// Waits until the change of the other stage has failed, then loses the lock.
#[change(id = "loses", order = "001", stage = "right", register = false)]
async fn loses(pool: &Pool<Db>, gate: &Gate) {
    gate.reached().await;
    gate.open();
    flamingock_tests::until("the other change has failed", async || {
        audit(pool).await.iter().any(|row| row.contains("FAILED"))
    })
    .await;
    execute(pool, TAKE_OVER).await;
    std::future::pending::<()>().await;
}

/// The text of a failure that is reported.
fn check_failed(error: &Error, id: &str) {
    let text = format!("{error:#}");
    assert!(text.contains(&format!("\"{id}\" failed")), "{text}");
    assert!(text.contains("the broker did not answer"), "{text}");
    let needs = format!("\"{id}\" needs manual resolution");
    assert!(text.contains(&needs), "{text}");
}

#[tokio::test]
async fn change_that_fails_during_a_stop_is_a_failure() {
    for change in [changes![fails][0], changes![panics][0]] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let gate = Gate::default();
        let asked = gate.clone();
        let cancel = async move {
            asked.reached().await;
            asked.open();
        };
        let runner = Runner::new(&pool)
            .changes([change, changes![behind][0]])
            .provide(gate.clone());
        let run = runner.run().cancel_on(cancel);
        let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert_eq!(error.kind().as_str(), "changes_failed");
        check_failed(&error, change.id);
        // The request to stop is reported, too.
        assert!(format!("{error:#}").contains("asked to stop"), "{error}");
        let counts = error.report().unwrap().counts();
        assert_eq!((counts.failed, counts.blocked), (1, 1), "{error}");
    }
}

#[tokio::test]
async fn change_that_is_dropped_after_another_failed_is_no_failure() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let (gate, elsewhere) = (Gate::default(), Gate::default());
    let (left, right) = (gate.clone(), elsewhere.clone());
    let cancel = async move {
        left.reached().await;
        right.reached().await;
        left.open();
    };
    let runner = || {
        Runner::new(&pool)
            .changes(changes![fails, stops])
            .stage(Stage::new("left"))
            .stage(Stage::new("right"))
            .parallel_stages(2)
            .provide(gate.clone())
            .provide(Elsewhere(elsewhere.clone()))
    };
    let run = runner().run().cancel_on(cancel);
    let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    check_failed(&error, "fails");
    let text = format!("{error:#}");
    assert!(text.starts_with("\"fails\" failed"), "{text}");
    let stopped = error.report().unwrap().changes().nth(1).unwrap();
    assert_eq!(stopped.outcome, Outcome::RolledBack, "{text}");
}

/// If the run was stopped and nothing failed, it is cancelled.
#[tokio::test]
async fn run_whose_changes_were_only_dropped_is_cancelled() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let gate = Gate::default();
    let at = gate.clone();
    let runner = Runner::new(&pool)
        .changes(changes![stops])
        .provide(Elsewhere(gate.clone()));
    let run = runner.run().cancel_on(async move { at.reached().await });
    let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(error.report().unwrap().counts().rolled_back, 1, "{error}");
}

#[change(id = "before", order = "000", stage = "right", register = false)]
async fn before(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')")
        .await
        .map(drop)
}

#[tokio::test]
async fn stopped_atomic_stage_is_cancelled_as_a_whole() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let gate = Gate::default();
    let at = gate.clone();
    let runner = Runner::new(&pool)
        .changes(changes![before, stops])
        .stage(Stage::new("right").atomic())
        .provide(Elsewhere(gate.clone()));
    let run = runner.run().cancel_on(async move { at.reached().await });
    let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(error.report().unwrap().counts().rolled_back, 2, "{error}");
    assert_eq!(flamingock_tests::done(&pool).await, [""; 0]);
}

#[tokio::test]
async fn failed_change_is_named_when_the_lock_is_lost() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 5).await;
    let lock = LockOptions::default().lease(Duration::from_secs(2));
    let run = Runner::new(&pool)
        .changes(changes![fails, loses])
        .stage(Stage::new("left"))
        .stage(Stage::new("right"))
        .parallel_stages(2)
        .lock(lock)
        .provide(Gate::default())
        .run();
    let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    check_failed(&error, "fails");
    assert!(
        !format!("{error:#}").contains("\"loses\" failed"),
        "{error}"
    );
}

#[change(id = "kept", order = "001", register = false)]
async fn kept(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('kept')")
        .await
        .map(drop)
}

#[rollback(kept)]
async fn undo_kept(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await?;
    gate.pass().await;
    Ok(())
}

/// The change is still applied, and the next undo reverses it.
#[tokio::test]
async fn stopped_undo_is_cancelled_and_no_failure() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let gate = Gate::default();
    let runner = || {
        Runner::new(&pool)
            .changes(changes![kept])
            .provide(gate.clone())
    };
    runner().run().await.unwrap();
    let at = gate.clone();
    let undo = runner()
        .undo(UndoTarget::Last)
        .cancel_on(async move { at.reached().await });
    let error = tokio::time::timeout(SOON, undo).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(flamingock_tests::done(&pool).await, ["kept"]);
    assert!(runner().issues().await.unwrap().is_empty());
    gate.open();
    let undone = runner().undo(UndoTarget::Last).await.unwrap();
    assert_eq!(undone.counts().undone, 1, "{undone}");
    assert!(flamingock_tests::done(&pool).await.is_empty());
}
