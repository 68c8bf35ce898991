//! An atomic stage loses its lock while its database does not answer: the changes that it had not
//! started are "not reached". On database servers.

use std::time::Duration;

use flamingock::{ErrorKind, LockOptions, Outcome, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, Gate, Proxy, query, with_table};

use super::{Backend, Connection, Db};

#[change(id = "first", order = "001", register = false)]
async fn first(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('first')")
        .await
        .map(drop)
}

#[change(id = "second", order = "002", register = false)]
async fn second(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('second')").await?;
    gate.pass().await;
    Ok(())
}

#[change(id = "third", order = "003", register = false)]
async fn third(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('third')")
        .await
        .map(drop)
}

#[tokio::test]
async fn changes_that_an_atomic_stage_did_not_start_before_losing_its_lock_are_not_reached() {
    let database = Backend::fresh().await;
    with_table(&database, 1).await;
    let proxy = Proxy::in_front_of(&database.url).unwrap();
    let pool = proxy.pool::<Db>(&database.url, 1).await;
    let gate = Gate::default();
    let lock = LockOptions::default().lease(Duration::from_secs(3));
    let run = Runner::new(&pool)
        .changes(changes![first, second, third])
        .stage(Stage::new("default").atomic())
        .provide(gate.clone())
        .lock(lock)
        .run();
    let run = tokio::spawn(run);
    gate.reached().await;
    // The entry of the second change never reaches the server.
    proxy.blackhole();
    gate.open();
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
    let report = error.report().unwrap();
    let outcomes: Vec<_> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Failed, Outcome::Failed, Outcome::NotReached],
        "{report}"
    );
    let third = report.changes().last().unwrap();
    assert!(third.error.is_none(), "{report}");
}
