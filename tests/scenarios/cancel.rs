//! Runs that are stopped or dropped.

use std::future::pending;
use std::time::Duration;

use flamingock::{ErrorKind, LockOptions, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, audit, done, query, strings, with_table};

use super::{Backend, Connection};

const SOON: Duration = Duration::from_secs(20);

/// The next run must not wait for the lease to expire.
fn impatient() -> LockOptions {
    LockOptions::default().wait(Duration::from_secs(10))
}

#[change(id = "shared", order = "001", register = false)]
async fn shared(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('shared')").await?;
    gate.pass().await;
    Ok(())
}

#[change(id = "plain", order = "001", transaction = false, register = false)]
async fn plain(db: &mut Connection, gate: &Gate) -> Result<(), sqlx::Error> {
    gate.pass().await;
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[change(id = "next", order = "002", register = false)]
async fn next(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('next')")
        .await
        .map(drop)
}

#[tokio::test]
async fn stopped_run_rolls_back_its_transaction_and_releases_the_lock() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let gate = Gate::default();
    let runner = || {
        Runner::new(&pool)
            .changes(changes![shared, next])
            .provide(gate.clone())
    };
    let asked = gate.clone();
    let run = runner()
        .run()
        .cancel_on(async move { asked.reached().await });
    let error = tokio::time::timeout(SOON, run).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    let report = error.report().unwrap();
    assert_eq!(
        (report.counts().rolled_back, report.counts().newly_applied),
        (1, 0),
        "{report}"
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_eq!(
        audit(&pool).await,
        ["shared 1 FAILED shared", "shared 1 ROLLED_BACK shared"]
    );
    let errors = strings(
        &pool,
        "SELECT error FROM flamingock_audit ORDER BY seq LIMIT 1",
    )
    .await;
    assert_eq!(errors, ["[\"the run was asked to stop\"]"]);

    gate.open();
    assert_eq!(
        runner()
            .lock(impatient())
            .run()
            .await
            .unwrap()
            .counts()
            .newly_applied,
        2
    );
    assert_eq!(
        audit(&pool).await[2..],
        ["shared 2 APPLIED shared", "next 1 APPLIED shared"]
    );
}

#[tokio::test]
async fn stopped_run_lets_a_change_without_transaction_finish() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let gate = Gate::default();
    let runner = || {
        Runner::new(&pool)
            .changes(changes![plain, next])
            .provide(gate.clone())
    };
    let asked = gate.clone();
    let cancel = async move {
        asked.reached().await;
        asked.open();
    };
    let error = tokio::time::timeout(SOON, runner().run().cancel_on(cancel))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    let report = error.report().unwrap();
    assert_eq!(
        (report.counts().newly_applied, report.counts().not_reached),
        (1, 1),
        "{report}"
    );
    assert_eq!(
        audit(&pool).await,
        ["plain 1 STARTED none", "plain 1 APPLIED none"]
    );
    assert_eq!(
        runner()
            .lock(impatient())
            .run()
            .await
            .unwrap()
            .counts()
            .newly_applied,
        1
    );
}

#[tokio::test]
async fn dropped_run_rolls_back_its_change_and_releases_the_lock() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let gate = Gate::default();
    let runner = |gate: &Gate| {
        Runner::new(&pool)
            .changes(changes![shared, next])
            .provide(gate.clone())
    };
    tokio::select! {
        _ = runner(&gate).run() => panic!("it waits at the gate"),
        () = gate.reached() => {}
    }
    let open = Gate::default();
    open.open();
    let again = runner(&open).lock(impatient()).run();
    let report = tokio::time::timeout(SOON, again).await.unwrap().unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    let expected = [
        "shared 1 FAILED shared",
        "shared 1 ROLLED_BACK shared",
        "shared 2 APPLIED shared",
        "next 1 APPLIED shared",
    ];
    assert_eq!(audit(&pool).await, expected);
    assert_eq!(done(&pool).await, ["next", "shared"]);
}

#[tokio::test]
async fn dropped_run_lets_a_change_without_transaction_finish() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let gate = Gate::default();
    let runner = || {
        Runner::new(&pool)
            .changes(changes![plain, next])
            .provide(gate.clone())
    };
    tokio::select! {
        _ = runner().run() => panic!("it waits at the gate"),
        () = gate.reached() => {}
    }
    assert_eq!(audit(&pool).await, ["plain 1 STARTED none"]);
    let again = tokio::spawn(runner().lock(impatient()).run());
    gate.open();
    let report = tokio::time::timeout(SOON, again)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            report.counts().already_applied,
            report.counts().newly_applied
        ),
        (1, 1),
        "{report}"
    );
    assert_eq!(gate.visitors(), 1);
}

/// A run that is cancelled while it waits for the lock has nothing to roll back.
#[tokio::test]
async fn waiter_stops_on_request() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 2).await, database.pool(1).await);
    let gate = Gate::default();
    let runner = |pool| {
        Runner::new(pool)
            .changes(changes![plain])
            .provide(gate.clone())
    };
    let owner = tokio::spawn(runner(&pool).run());
    gate.reached().await;
    let error = runner(&other)
        .run()
        .cancel_on(std::future::ready(()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    gate.open();
    owner.await.unwrap().unwrap();
    let never = runner(&other).run().cancel_on(pending()).await.unwrap();
    assert!(never.is_up_to_date());
}
