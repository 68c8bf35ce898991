//! Edge cases of the guarantees, which once failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flamingock::report::Cause;
use flamingock::{
    BoxError, ErrorKind, LockOptions, Outcome, Runner, TargetSystem, change, changes, rollback,
};
use flamingock_tests::{Backend as _, audit, count, done, execute, query, with_table};

use super::{Backend, Connection, Db};

type Pool = sqlx::Pool<Db>;

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

/// With a pool that opens no more connections.
#[change(
    id = "starved",
    order = "001",
    transaction = false,
    target = "other",
    register = false
)]
async fn starved(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('starved')")
        .await
        .map(drop)
}

#[rollback(starved)]
async fn never_called(pool: &Pool) -> Result<(), BoxError> {
    execute(pool, "INSERT INTO done VALUES ('rolled back')").await;
    Ok(())
}

#[tokio::test]
async fn change_that_got_no_connection_did_not_run_and_is_not_rolled_back() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let short = sqlx::pool::PoolOptions::new().acquire_timeout(Duration::from_millis(200));
    let is_shut = Arc::new(AtomicBool::new(false));
    let shut = Arc::clone(&is_shut);
    let short = short.after_connect(move |_, _| {
        let is_shut = shut.load(Ordering::Relaxed);
        Box::pin(async move {
            match is_shut {
                true => Err(sqlx::Error::PoolClosed),
                false => Ok(()),
            }
        })
    });
    let other = database.pool_with(short.max_connections(1)).await;
    is_shut.store(true, Ordering::Relaxed);
    let runner = || {
        let target = TargetSystem::sqlx("other", &other);
        Runner::new(&pool).changes(changes![starved]).target(target)
    };
    let error = runner().run().await.unwrap_err();
    assert!(format!("{error:#}").contains("did not run"), "{error}");
    assert_eq!(
        audit(&pool).await,
        ["starved 1 STARTED none", "starved 1 ROLLED_BACK none"]
    );
    assert!(done(&pool).await.is_empty());
    is_shut.store(false, Ordering::Relaxed);
    assert_eq!(runner().run().await.unwrap().counts().newly_applied, 1);
}

#[change(id = "moves", order = "001", target = "there", register = false)]
async fn moves(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('moves')")
        .await
        .map(drop)
}

#[tokio::test]
async fn attempt_at_another_target_than_the_code_names_is_an_issue() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let there = Backend::fresh().await;
    let there = with_table(&there, 2).await;
    let runner = || {
        let target = TargetSystem::sqlx("there", &there);
        Runner::new(&pool).changes(changes![moves]).target(target)
    };
    runner().run().await.unwrap();
    let begun = "UPDATE flamingock_audit SET state = 'STARTED', target = 'elsewhere' WHERE state = 'APPLIED'";
    execute(&pool, begun).await;
    execute(&pool, "UPDATE flamingock_lock SET pipeline_digest = NULL").await;
    let error = runner().run().await.unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(
        (change.outcome, &change.issue),
        (Outcome::Blocked, &Some(Cause::TargetChanged))
    );
    assert_eq!(done(&there).await, ["moves"]);
}

#[tokio::test]
async fn deleted_row_of_the_lease_does_not_block_the_service() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool).changes(changes![]).run().await.unwrap();
    Runner::new(&pool)
        .changes(changes![one])
        .run()
        .await
        .unwrap();
    execute(&pool, "DELETE FROM flamingock_lease").await;
    execute(&pool, "DELETE FROM flamingock_audit").await;
    execute(&pool, "UPDATE flamingock_lock SET pipeline_digest = NULL").await;
    let lock = LockOptions::default().wait(Duration::from_secs(10));
    let report = Runner::new(&pool)
        .changes(changes![one])
        .lock(lock)
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 1);
}

#[tokio::test]
async fn unlimited_wait_waits() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let lock = LockOptions::default().wait(Duration::MAX);
    Runner::new(&pool)
        .changes(changes![one])
        .lock(lock)
        .run()
        .await
        .unwrap();
    let lock = LockOptions::default().lease(Duration::MAX);
    let error = Runner::new(&pool)
        .changes(changes![one])
        .lock(lock)
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn service_that_is_named_later_adopts_its_history() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![one])
        .run()
        .await
        .unwrap();
    let named = || Runner::new(&pool).changes(changes![one]).service("orders");
    let refused = named().run().await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("adopt_from_service(\"default\")"),
        "{refused}"
    );
    assert_eq!(named().adopt_from_service("default").await.unwrap(), 1);
    assert_eq!(named().adopt_from_service("default").await.unwrap(), 0);
    assert!(named().run().await.unwrap().is_up_to_date());
    assert_eq!(done(&pool).await, ["one"]);
    let imported = "SELECT count(*) FROM flamingock_audit WHERE origin = 'import'";
    assert_eq!(count(&pool, imported).await, 1);
}

#[tokio::test]
async fn change_that_the_target_may_still_commit_is_never_recorded_as_rolled_back() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = || Runner::new(&pool).changes(changes![one]);
    runner().run().await.unwrap();
    let begun = "UPDATE flamingock_audit SET state = 'STARTED', transaction_mode = 'separate' WHERE state = 'APPLIED'";
    execute(&pool, begun).await;
    let error = runner()
        .resolve("one", flamingock::Resolution::RolledBack, "not seen")
        .await;
    let error = error.unwrap_err();
    assert!(
        format!("{error:#}").contains("is known at its target system"),
        "{error}"
    );
}

#[change(id = "renamed", order = "002", target = "same", register = false)]
async fn renamed(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('renamed')")
        .await
        .map(drop)
}

#[tokio::test]
async fn target_with_the_audits_pool_is_the_audits_database() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let target = TargetSystem::sqlx("same", &pool);
    let runner = Runner::new(&pool)
        .changes(changes![one, renamed])
        .target(target);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["one", "renamed"]);
    let modes = flamingock_tests::strings(
        &pool,
        "SELECT transaction_mode FROM flamingock_audit WHERE state = 'APPLIED' ORDER BY seq",
    );
    assert_eq!(modes.await, ["shared", "shared"]);
}
