//! An issue in the background blocks what comes after it, and no start.

use flamingock::{
    BoxError, ErrorKind, Mode, Outcome, Resolution, Runner, WorkState, change, changes,
};
use flamingock_tests::{Backend as _, Gate, done, query, until, with_table};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};

#[change(
    id = "first",
    order = "0001",
    phase = "background",
    transaction = false,
    register = false
)]
async fn first(gate: &Gate) -> Result<(), BoxError> {
    gate.pass().await;
    match gate.fails() {
        true => Err("the broker is away".into()),
        false => Ok(()),
    }
}

#[change(id = "second", order = "0002", phase = "background", register = false)]
async fn second(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('second')")
        .await
        .map(drop)
}

fn runner(pool: &Pool<Db>, gate: &Gate) -> Runner {
    Runner::new(pool)
        .changes(changes![first, second])
        .provide(gate.clone())
}

#[tokio::test]
async fn issue_in_the_background_blocks_what_comes_after_it() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::failing();
    gate.open();
    // The second time, the issue is there already.
    for kind in [ErrorKind::ChangesFailed, ErrorKind::Issues] {
        let work = runner(&pool, &gate).spawn();
        until("the work has ended", async || {
            matches!(work.state(), WorkState::BackgroundFailed(_))
        })
        .await;
        let error = work.wait().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let report = error.report().unwrap();
        assert_eq!(report.changes().nth(1).unwrap().outcome, Outcome::Blocked);
        assert_eq!(done(&pool).await, [""; 0]);
    }
    assert!(runner(&pool, &gate).run().await.unwrap().is_success());
    let issues = runner(&pool, &gate).issues().await.unwrap();
    assert_eq!(issues.len(), 1);
    let operator = runner(&pool, &gate);
    let resolved = operator.resolve("first", Resolution::RolledBack, "it is back");
    resolved.await.unwrap();
    let gate = Gate::default();
    gate.open();
    runner(&pool, &gate).spawn().wait().await.unwrap();
    assert_eq!(done(&pool).await, ["second"]);
}

#[tokio::test]
async fn baseline_records_nothing_that_is_running_in_the_background() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let gate = Gate::default();
    let work = runner(&pool, &gate).spawn();
    gate.reached().await;
    let error = runner(&pool, &gate)
        .baseline("second", "by hand")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
    gate.open();
    work.wait().await.unwrap();
}

#[tokio::test]
async fn instance_that_only_checks_leaves_the_background_to_others() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::default();
    gate.open();
    // Without the tables, nothing is pending but what runs in the background.
    let work = runner(&pool, &gate).mode(Mode::Check).spawn();
    assert!(work.started().await.is_ready());
    until("it has looked", async || {
        work.state() == WorkState::InBackground
    })
    .await;
    let report = work.wait().await.unwrap();
    assert_eq!(report.counts().newly_applied, 0);
    assert_eq!(done(&pool).await, [""; 0]);
}
