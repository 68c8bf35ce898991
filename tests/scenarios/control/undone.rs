//! A change that is cancelled and undone while instances wait for it.

use flamingock::{
    Batch, BoxError, ErrorKind, Next, Outcome, Runner, UndoTarget, change, changes, rollback,
};
use flamingock_tests::{Backend as _, done, query, until, with_table};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};
use super::{Steps, batches};

#[change(
    id = "fill",
    order = "001",
    phase = "background",
    transaction = false,
    batch,
    register = false
)]
async fn fill(
    batch: Batch<i64>,
    db: &mut Connection,
    steps: &Steps,
) -> Result<Next<i64>, BoxError> {
    steps.batch(batch, db).await
}

/// Comes behind it.
#[change(id = "later", order = "002", phase = "background", register = false)]
async fn later() {}

#[rollback(fill)]
async fn empty(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

fn runner(pool: &Pool<Db>, steps: &Steps) -> Runner {
    Runner::new(pool)
        .changes(changes![fill, later])
        .provide(steps.clone())
        .operator("ada")
}

#[tokio::test]
async fn change_that_is_undone_meanwhile_stays_undone_until_the_next_start() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 8).await;
    let steps = Steps::new(1);
    // One works, and the other waits.
    let instances = [runner(&pool, &steps).spawn(), runner(&pool, &steps).spawn()];
    steps.until_batch(2).await;
    let operator = runner(&pool, &steps);
    operator.cancel("fill", "a mistake").await.unwrap();
    steps.permits.add_permits(1);
    until("the change is cancelled", async || {
        let cancelled = operator.cancel("fill", "a mistake").await.unwrap();
        cancelled == flamingock::Controlled::Done
    })
    .await;
    let undo = UndoTarget::Change("fill".to_owned());
    let undone = operator.undo(undo).await.unwrap();
    assert_eq!(undone.changes().next().unwrap().outcome, Outcome::Undone);
    steps.permits.add_permits(100);
    for instance in instances {
        let report = instance.wait().await.unwrap();
        let outcomes: Vec<Outcome> = report.changes().map(|change| change.outcome).collect();
        assert_eq!(outcomes, [Outcome::Pending, Outcome::Pending]);
    }
    assert_eq!(done(&pool).await, Vec::<String>::new());
    // The next start applies it.
    runner(&pool, &steps).spawn().wait().await.unwrap();
    assert_eq!(done(&pool).await, batches(1..=6));
}

#[tokio::test]
async fn undo_of_a_change_with_other_tags_is_not_continued() {
    #[change(id = "tagged", order = "001", tags = ["eu"], batch, register = false)]
    async fn tagged(
        batch: Batch<i64>,
        db: &mut Connection,
        steps: &Steps,
    ) -> Result<Next<i64>, BoxError> {
        steps.batch(batch, db).await
    }
    #[rollback(tagged, batch)]
    async fn back(
        _batch: Batch<i64>,
        db: &mut Connection,
        steps: &Steps,
    ) -> Result<Next<i64>, BoxError> {
        if steps.fails_at > 0 {
            return Err("the batch failed".into());
        }
        query(db, "DELETE FROM done").await?;
        Ok(Next::finished())
    }
    let database = Backend::fresh().await;
    let pool = with_table(&database, 6).await;
    let runner = |steps: &Steps, tag: &str| {
        let runner = Runner::new(&pool).changes(changes![tagged]);
        runner.provide(steps.clone()).tags([tag]).operator("ada")
    };
    let free = Steps::new(100);
    runner(&free, "eu").run().await.unwrap();
    let error = runner(&Steps::failing_at(1), "eu")
        .undo(UndoTarget::Last)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let other = runner(&free, "us").undo(UndoTarget::Last).await.unwrap();
    assert_eq!(other.changes().count(), 0);
    assert_eq!(done(&pool).await.len(), 6);
    runner(&free, "eu").undo(UndoTarget::Last).await.unwrap();
    assert_eq!(done(&pool).await.len(), 0);
}
