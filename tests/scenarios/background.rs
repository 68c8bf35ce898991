//! Changes in the background: `run` leaves them for later, and the replicas share them out.

mod issues;
mod moved;
mod refused;
mod required;

use std::time::Duration;

use flamingock::audit::{HistoryFilter, State};
use flamingock::report::Note;
use flamingock::{
    BoxError, ErrorKind, LockOptions, Mode, Outcome, Resolution, Runner, UndoTarget, WorkState,
    change, changes, rollback,
};
use flamingock_tests::{Backend as _, Gate, done, query, until, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "create", order = "0001", register = false)]
async fn create(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('create')")
        .await
        .map(drop)
}

/// Waits at the gate, without a transaction, so that a database with one writer has room for
/// others.
#[change(
    id = "fill",
    order = "0002",
    phase = "background",
    transaction = false,
    register = false
)]
async fn fill(db: &mut Connection, gate: &Gate) -> Result<(), BoxError> {
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('fill')").await?;
    match gate.fails() {
        true => Err("the fill failed".into()),
        false => Ok(()),
    }
}

#[rollback(fill)]
async fn empty(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'fill'")
        .await
        .map(drop)
}

#[change(id = "index", order = "0003", phase = "background", register = false)]
async fn index(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('index')")
        .await
        .map(drop)
}

#[change(id = "late", order = "0004", register = false)]
async fn late(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('late')")
        .await
        .map(drop)
}

fn runner(pool: &Pool<Db>, gate: &Gate) -> Runner {
    Runner::new(pool)
        .changes(changes![create, fill, index, late])
        .provide(gate.clone())
}

fn outcomes(report: &flamingock::Report) -> Vec<Outcome> {
    report.changes().map(|change| change.outcome).collect()
}

#[tokio::test]
async fn run_leaves_changes_in_the_background_for_later() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::default();
    let report = runner(&pool, &gate).run().await.unwrap();
    let expected = [
        Outcome::NewlyApplied,
        Outcome::Pending,
        Outcome::Pending,
        Outcome::NewlyApplied,
    ];
    assert_eq!(outcomes(&report), expected);
    assert!(report.is_success() && !report.is_up_to_date());
    assert_eq!(report.counts().pending, 2);
    assert_eq!(done(&pool).await, ["create", "late"]);

    // A check passes, unless it is to count them.
    let check = || runner(&pool, &gate).mode(Mode::Check);
    assert!(check().run().await.unwrap().is_success());
    let error = check().with_background().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending);
    assert!(runner(&pool, &gate).issues().await.unwrap().is_empty());

    gate.open();
    let work = runner(&pool, &gate).spawn();
    assert!(work.started().await.is_ready());
    let report = work.wait().await.unwrap();
    let expected = [
        Outcome::AlreadyApplied,
        Outcome::NewlyApplied,
        Outcome::NewlyApplied,
        Outcome::AlreadyApplied,
    ];
    assert_eq!(outcomes(&report), expected);
    assert_eq!(done(&pool).await, ["create", "fill", "index", "late"]);
    assert!(runner(&pool, &gate).run().await.unwrap().is_up_to_date());
    let again = runner(&pool, &gate).spawn();
    assert!(again.wait().await.unwrap().is_up_to_date());
    // Each lane counts on from the tokens of the start.
    let all = HistoryFilter::default();
    let history = runner(&pool, &gate).history(&all).await.unwrap();
    let tokens: Vec<i64> = history.iter().map(|entry| entry.fencing_token).collect();
    assert!(tokens.is_sorted(), "{tokens:?}");
}

#[tokio::test]
async fn replicas_share_out_a_change_and_no_start_waits_for_it() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let gate = Gate::default();
    let first = runner(&pool, &gate).spawn();
    gate.reached().await;
    assert_eq!(first.state(), WorkState::InBackground);

    // A deployment meanwhile, with a lock wait that a start behind the change would exceed.
    let lock = LockOptions::default().wait(Duration::from_secs(2));
    let report = runner(&pool, &gate).lock(lock).run().await.unwrap();
    assert_eq!(report.counts().pending, 2);
    let second = runner(&pool, &gate).spawn();
    assert_eq!(second.started().await, WorkState::InBackground);
    let lanes = runner(&pool, &gate).lanes().await.unwrap();
    let held: Vec<(&str, bool)> = lanes.iter().map(|lock| (&*lock.lane, lock.held)).collect();
    assert_eq!(held, [("background:fill", true)]);
    let plan = runner(&pool, &gate).plan().await.unwrap();
    let fill = plan.changes().nth(1).unwrap();
    assert_eq!(fill.outcome, Outcome::Pending);
    assert!(matches!(fill.notes[..], [Note::Running]), "{fill:?}");

    // No operator can resolve the change meanwhile.
    let short = LockOptions::default().wait(Duration::from_millis(300));
    let operator = runner(&pool, &gate).lock(short);
    let reason = "it looks interrupted";
    let resolved = operator.resolve("fill", Resolution::Applied, reason).await;
    assert_eq!(resolved.unwrap_err().kind(), ErrorKind::LockTimeout);

    gate.open();
    let (first, second) = (first.wait().await.unwrap(), second.wait().await.unwrap());
    assert!(first.is_success() && second.is_success());
    let applied = first.counts().newly_applied + second.counts().newly_applied;
    assert_eq!(applied, 2);
    assert_eq!(gate.visitors(), 1);
    assert_eq!(done(&pool).await, ["create", "fill", "index", "late"]);
}

#[tokio::test]
async fn failure_in_the_background_holds_back_no_start() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::failing();
    gate.open();
    let work = runner(&pool, &gate).spawn();
    until("the work has failed", async || {
        matches!(work.state(), WorkState::BackgroundFailed(_))
    })
    .await;
    let error = work.wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let report = error.report().unwrap();
    let expected = [
        Outcome::AlreadyApplied,
        Outcome::RolledBack,
        Outcome::Blocked,
        Outcome::AlreadyApplied,
    ];
    assert_eq!(outcomes(report), expected);
    assert_eq!(done(&pool).await, ["create", "late"]);
    let report = runner(&pool, &gate).run().await.unwrap();
    assert_eq!(report.counts().pending, 2);

    let gate = Gate::default();
    gate.open();
    let report = runner(&pool, &gate).spawn().wait().await.unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    // What was applied in the background is undone like any other change.
    let undo = runner(&pool, &gate).undo(UndoTarget::Change("fill".into()));
    assert_eq!(undo.await.unwrap().counts().undone, 1);
    assert_eq!(done(&pool).await, ["create", "index", "late"]);
    assert_eq!(
        runner(&pool, &gate).run().await.unwrap().counts().pending,
        1
    );
}

#[tokio::test]
async fn cancelled_work_is_continued_by_the_next_instance() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::default();
    let work = runner(&pool, &gate).spawn();
    gate.reached().await;
    work.cancel();
    // A change outside a transaction is not dropped.
    gate.open();
    let error = work.wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(done(&pool).await, ["create", "fill", "late"]);
    let lanes = runner(&pool, &gate).lanes().await.unwrap();
    assert!(lanes.iter().all(|lock| !lock.held), "{lanes:?}");
    let report = runner(&pool, &gate).spawn().wait().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    let applied = HistoryFilter::default().state(State::Applied);
    let applied = runner(&pool, &gate).history(&applied).await.unwrap();
    assert_eq!(applied.len(), 4);
}
