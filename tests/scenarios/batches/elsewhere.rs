//! Batches in another database than the audit's.

use flamingock::{
    Batch, BoxError, IntoStorage, MemoryStore, Next, Resolution, Runner, TargetSystem, UndoTarget,
    change, changes, rollback,
};
use flamingock_tests::{Backend as _, audit, execute, query};
use sqlx::Pool;

use super::{Backend, Connection, Db, Wanted, fresh, one_batch, progress, times};

#[change(
    id = "count-items",
    order = "001",
    target = "other",
    batch,
    register = false
)]
async fn count_elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    wanted: &Wanted,
) -> Result<Next<i64>, BoxError> {
    one_batch(batch, db, wanted).await
}

#[rollback(count_elsewhere)]
async fn uncount_elsewhere(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "UPDATE items SET times = 0").await.map(drop)
}

fn runner(audit: impl IntoStorage, other: &Pool<Db>, wanted: Wanted) -> Runner {
    Runner::new(audit)
        .changes(changes![count_elsewhere])
        .target(TargetSystem::sqlx("other", other))
        .provide(wanted)
}

#[tokio::test]
async fn batches_elsewhere_keep_their_cursor_there() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    let (_other, other) = fresh().await;
    let runner = |wanted| runner(&pool, &other, wanted);
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    assert_eq!(times(&other).await, ["0|79", "1|21"]);
    assert_eq!(
        audit(&pool).await.last().unwrap(),
        "count-items 1 FAILED separate"
    );
    assert_eq!(progress(&pool).await, [""; 0]);
    execute(&pool, "DELETE FROM flamingock_audit WHERE state = 'FAILED'").await;
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
    assert!(
        runner(Wanted::default())
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );

    runner(Wanted::default())
        .undo(UndoTarget::Last)
        .await
        .unwrap();
    assert_eq!(times(&other).await, ["0|100"]);
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
}

#[tokio::test]
async fn attempt_elsewhere_that_an_operator_marked_as_rolled_back_begins_anew() {
    let database = Backend::fresh().await;
    let pool = database.pool(2).await;
    let (_other, other) = fresh().await;
    let runner = |wanted| runner(&pool, &other, wanted);
    runner(Wanted::failing_at(4)).run().await.unwrap_err();
    let killed = "DELETE FROM flamingock_audit WHERE state = 'FAILED'";
    execute(&pool, killed).await;
    execute(&other, "UPDATE items SET times = 0").await;
    let resolution = Resolution::RolledBack;
    let resolving = runner(Wanted::default());
    let resolved = resolving.resolve("count-items", resolution, "the rows were reset");
    resolved.await.unwrap();
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
}

#[tokio::test]
async fn audit_elsewhere_is_no_obstacle() {
    let (_database, other) = fresh().await;
    let store = MemoryStore::new();
    let runner = |wanted| runner(&store, &other, wanted);
    runner(Wanted::failing_at(2)).run().await.unwrap_err();
    runner(Wanted::default()).run().await.unwrap();
    assert_eq!(times(&other).await, ["1|100"]);
}
