//! A release that moves a change from the background to the start, or back, while another release
//! works on it.

use flamingock::{ErrorKind, Outcome, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, done, query, with_table};

use super::super::{Backend, Connection};

#[change(
    id = "moves",
    order = "0001",
    transaction = false,
    phase = "background",
    register = false
)]
async fn in_background(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('moves')")
        .await
        .map(drop)
}

#[change(id = "moves", order = "0001", transaction = false, register = false)]
async fn at_the_start(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('moves')")
        .await
        .map(drop)
}

#[tokio::test]
async fn start_does_not_run_what_another_release_works_on_in_the_background() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let gate = Gate::default();
    let old = Runner::new(&pool)
        .changes(changes![in_background])
        .provide(gate.clone());
    let new = Runner::new(&pool)
        .changes(changes![at_the_start])
        .provide(gate.clone());
    let work = old.spawn();
    gate.reached().await;
    let error = new.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending, "{error}");
    let text = "another version of the application works on it in the background";
    assert!(error.to_string().contains(text), "{error}");
    gate.open();
    work.wait().await.unwrap();
    let report = new.run().await.unwrap();
    assert_eq!(
        report.changes().next().unwrap().outcome,
        Outcome::AlreadyApplied
    );
    assert_eq!(done(&pool).await, ["moves"]);
    assert_eq!(gate.visitors(), 1);
}

#[tokio::test]
async fn background_does_not_run_what_another_release_works_on_at_its_start() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let gate = Gate::default();
    let old = Runner::new(&pool)
        .changes(changes![at_the_start])
        .provide(gate.clone());
    let new = Runner::new(&pool)
        .changes(changes![in_background])
        .provide(gate.clone());
    let run = tokio::spawn(old.run());
    gate.reached().await;
    let work = new.spawn();
    assert!(work.started().await.is_ready());
    gate.open();
    run.await.unwrap().unwrap();
    let report = work.wait().await.unwrap();
    assert_eq!(
        report.changes().next().unwrap().outcome,
        Outcome::AlreadyApplied
    );
    assert_eq!(done(&pool).await, ["moves"]);
    assert_eq!(gate.visitors(), 1);
}
