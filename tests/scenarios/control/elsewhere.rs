//! The same for batches in another database than the audit's.

use flamingock::audit::ProgressState;
use flamingock::{
    Batch, BoxError, Controlled, ErrorKind, Next, Runner, TargetSystem, change, changes,
};
use flamingock_tests::{Backend as _, done, until, with_table};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};
use super::{Steps, batches, entries};

/// The number of batches.
const MANY: i64 = 1_000;

#[change(
    id = "fill",
    order = "001",
    target = "other",
    phase = "background",
    batch,
    register = false
)]
async fn elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    steps: &Steps,
) -> Result<Next<i64>, BoxError> {
    steps.batch(batch, db).await
}

fn runner(pool: &Pool<Db>, other: &Pool<Db>, steps: &Steps) -> Runner {
    Runner::new(pool)
        .changes(changes![elsewhere])
        .target(TargetSystem::sqlx("other", other))
        .provide(steps.clone())
        .operator("ada")
}

#[tokio::test]
async fn change_elsewhere_is_paused_and_resumed() {
    let (database, others) = (Backend::fresh().await, Backend::fresh().await);
    let pool = database.pool(6).await;
    let other = with_table(&others, 6).await;
    let steps = Steps {
        last: MANY,
        ..Steps::new(1)
    };
    let runner = || runner(&pool, &other, &steps);
    let work = runner().spawn();
    steps.until_batch(2).await;
    // A program without the code cannot find it.
    let error = super::operator(&pool)
        .pause("fill", "load")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    // The batch has locked the row of the progress: the request waits for its end.
    let operator = runner();
    let pausing = tokio::spawn(async move { operator.pause("fill", "load").await });
    // Where one connection writes at a time, the request may have to wait for some batches.
    until("the request is written", async || {
        steps.permits.add_permits(1);
        pausing.is_finished()
    })
    .await;
    // The run may have taken it up by then.
    pausing.await.unwrap().unwrap();
    steps.permits.add_permits(1_000);
    until("the change is paused", async || {
        runner().progress().await.unwrap()[0].state == ProgressState::Paused
    })
    .await;
    let committed = i64::try_from(done(&other).await.len()).unwrap();
    assert!((2..MANY).contains(&committed), "{committed}");
    assert_eq!(
        runner().resume("fill", "go").await.unwrap(),
        Controlled::Done
    );
    work.wait().await.unwrap();
    let mut all = batches(1..=MANY);
    all.sort();
    assert_eq!(done(&other).await, all);
    let entries = entries(&pool).await;
    assert_eq!(entries[1..3], ["PAUSED by ada: load", "RESUMED by ada: go"]);
}
