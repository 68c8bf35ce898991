//! A takeover of the lock, or a lost connection, during a batch.

use std::time::Duration;

use flamingock::{Batch, BoxError, ErrorKind, Next, Runner, TargetSystem, change, changes};
use flamingock_tests::{Backend as _, Proxy, audit, done, execute, query, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

const LONG: Duration = Duration::from_secs(60);

/// Steals the lock, like a run that finds the lease expired.
const TAKE_OVER: &str = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'";

/// Steals the progress as well, as the next owner does before its first batch.
const CLAIM: &str =
    "UPDATE flamingock_progress SET fencing_token = fencing_token + 1, run_id = 'thief'";

/// The statement that a batch sends before its end.
#[derive(Debug)]
struct Other {
    /// `None` for the connection of the batch itself.
    pool: Option<Pool<Db>>,
    statement: &'static str,
    /// The number of batches before that one.
    at: i64,
}

/// Is robbed before its third batch, or during it.
#[change(id = "robbed", order = "001", batch, register = false)]
async fn robbed(
    batch: Batch<i64>,
    db: &mut Connection,
    other: &Other,
) -> Result<Next<i64>, BoxError> {
    next(batch, db, other).await
}

#[change(
    id = "robbed",
    order = "001",
    target = "other",
    batch,
    register = false
)]
async fn robbed_elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    other: &Other,
) -> Result<Next<i64>, BoxError> {
    next(batch, db, other).await
}

async fn next(
    batch: Batch<i64>,
    db: &mut Connection,
    other: &Other,
) -> Result<Next<i64>, BoxError> {
    let done = batch.cursor().copied().unwrap_or(0);
    query(
        db,
        &format!("INSERT INTO done VALUES ('batch {}')", done + 1),
    )
    .await?;
    if done == other.at {
        match &other.pool {
            Some(pool) => execute(pool, other.statement).await,
            None => query(db, other.statement).await.map(drop)?,
        }
    }
    Ok(match done {
        4 => Next::finished(),
        done => Next::after(done + 1),
    })
}

#[tokio::test]
async fn batch_of_a_run_that_lost_the_lock_is_not_committed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = |statement| {
        let other = Other {
            pool: Some(pool_of_its_own(&database)),
            statement,
            at: 2,
        };
        Runner::new(&pool).changes(changes![robbed]).provide(other)
    };
    let error = runner(TAKE_OVER).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error:?}");
    assert_eq!(done(&pool).await, ["batch 1", "batch 2"]);
    let states = audit(&pool).await;
    assert!(
        states.iter().all(|entry| entry.contains("STARTED")),
        "{states:?}"
    );

    execute(
        &pool,
        "UPDATE flamingock_lease SET expires_at = '2000-01-01'",
    )
    .await;
    runner("SELECT 1").run().await.unwrap();
    let all = ["batch 1", "batch 2", "batch 3", "batch 4", "batch 5"];
    assert_eq!(done(&pool).await, all);
}

fn pool_of_its_own(database: &flamingock_tests::TestDatabase<Backend>) -> Pool<Db> {
    Pool::connect_lazy(&database.url).unwrap()
}

#[tokio::test]
async fn batch_elsewhere_is_not_committed_after_the_next_owner_claimed_the_change() {
    let databases = [Backend::fresh().await, Backend::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let elsewhere = with_table(&databases[1], 2).await;
    // The row is locked during a batch, so this claim is made between two.
    let between = "SELECT 1";
    let runner = |statement| {
        let other = Other {
            pool: Some(pool_of_its_own(&databases[1])),
            statement,
            at: 2,
        };
        Runner::new(&pool)
            .changes(changes![robbed_elsewhere])
            .target(TargetSystem::sqlx("other", &elsewhere))
            .provide(other)
    };
    let proxy = Proxy::in_front_of(&databases[1].url).unwrap();
    proxy.cut_before("'batch 3'", 1);
    let through: Pool<Db> = proxy.pool(&databases[1].url, 2).await;
    let other = Other {
        pool: Some(pool_of_its_own(&databases[1])),
        statement: between,
        at: 2,
    };
    let first = Runner::new(&pool)
        .changes(changes![robbed_elsewhere])
        .target(TargetSystem::sqlx("other", &through))
        .provide(other);
    tokio::time::timeout(LONG, first.run())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(done(&elsewhere).await, ["batch 1", "batch 2"]);
    execute(&elsewhere, CLAIM).await;
    // The thief's token is later than that of the next run.
    let raised = "UPDATE flamingock_progress SET fencing_token = 1000";
    execute(&elsewhere, raised).await;
    let error = runner(between).run().await.unwrap_err();
    assert!(format!("{error:?}").contains("thief"), "{error:?}");
    assert_eq!(done(&elsewhere).await, ["batch 1", "batch 2"]);
    execute(
        &elsewhere,
        "UPDATE flamingock_progress SET fencing_token = 0",
    )
    .await;
    runner(between).run().await.unwrap();
    let all = ["batch 1", "batch 2", "batch 3", "batch 4", "batch 5"];
    assert_eq!(done(&elsewhere).await, all);
}

#[tokio::test]
async fn lost_answer_to_a_commit_neither_loses_nor_repeats_a_batch() {
    for target in ["default", "other"] {
        for cut_after in [false, true] {
            let databases = [Backend::fresh().await, Backend::fresh().await];
            let pool = with_table(&databases[0], 2).await;
            let elsewhere = with_table(&databases[1], 2).await;
            let (own, direct) = match target {
                "default" => (&databases[0], &pool),
                _ => (&databases[1], &elsewhere),
            };
            let proxy = Proxy::in_front_of(&own.url).unwrap();
            let through: Pool<Db> = proxy.pool(&own.url, 2).await;
            let runner = || {
                let other = Other {
                    pool: Some(pool_of_its_own(own)),
                    statement: "SELECT 1",
                    at: 2,
                };
                match target {
                    "default" => Runner::new(&through).changes(changes![robbed]),
                    _ => Runner::new(&pool)
                        .changes(changes![robbed_elsewhere])
                        .target(TargetSystem::sqlx("other", &through)),
                }
                .provide(other)
            };
            // The commits of two batches before it, and whatever else commits.
            let nth = 2;
            if cut_after {
                proxy.cut_after("COMMIT", nth);
            } else {
                proxy.cut_before("COMMIT", nth);
            }
            let first = tokio::time::timeout(LONG, runner().run()).await.unwrap();
            if first.is_err() {
                runner().run().await.unwrap();
            }
            let all = ["batch 1", "batch 2", "batch 3", "batch 4", "batch 5"];
            assert_eq!(done(direct).await, all, "{target}, {cut_after}");
        }
    }
}

const SLEEP: &str = match <Backend as flamingock_tests::Backend>::NAME.as_bytes() {
    b"PostgreSQL" => "SELECT pg_sleep(300)",
    _ => "SELECT SLEEP(300)",
};

/// Takes too long in its second batch.
#[change(id = "slow", order = "001", timeout = "1s", batch, register = false)]
async fn slow(
    batch: Batch<i64>,
    db: &mut Connection,
    other: &Other,
) -> Result<Next<i64>, BoxError> {
    next(batch, db, other).await
}

#[change(
    id = "slow",
    order = "001",
    target = "other",
    timeout = "1s",
    batch,
    register = false
)]
async fn slow_elsewhere(
    batch: Batch<i64>,
    db: &mut Connection,
    other: &Other,
) -> Result<Next<i64>, BoxError> {
    next(batch, db, other).await
}

#[tokio::test]
async fn statement_of_a_batch_that_takes_too_long_is_cancelled() {
    for target in ["default", "other"] {
        let databases = [Backend::fresh().await, Backend::fresh().await];
        let pool = with_table(&databases[0], 2).await;
        let elsewhere = with_table(&databases[1], 2).await;
        let direct = if target == "default" {
            &pool
        } else {
            &elsewhere
        };
        let runner = |statement| {
            let other = Other {
                pool: None,
                statement,
                at: 1,
            };
            match target {
                "default" => Runner::new(&pool).changes(changes![slow]),
                _ => Runner::new(&pool)
                    .changes(changes![slow_elsewhere])
                    .target(TargetSystem::sqlx("other", &elsewhere)),
            }
            .provide(other)
        };
        let run = tokio::time::timeout(LONG, runner(SLEEP).run()).await;
        let error = run.expect("the statement was cancelled").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
        assert!(
            format!("{error:?}").contains("its timeout of 1s"),
            "{error:?}"
        );
        assert_eq!(done(direct).await, ["batch 1"]);
        let last = audit(&pool).await.pop().unwrap();
        assert!(last.starts_with("slow 1 FAILED s"), "{last}");
        runner("SELECT 1").run().await.unwrap();
        let all = ["batch 1", "batch 2", "batch 3", "batch 4", "batch 5"];
        assert_eq!(done(direct).await, all);
    }
}
