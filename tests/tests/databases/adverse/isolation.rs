//! Databases with a stricter or a weaker isolation level than their default.

use flamingock::{LockOptions, Runner, Stage, change, changes};
use flamingock_tests::{Backend as _, audit, done, query, with_table};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

use super::{Backend, Connection, Db, LEVELS, isolated};

#[change(id = "shared", order = "001", register = false)]
async fn shared(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "SELECT count(*) FROM done").await?;
    query(db, "INSERT INTO done VALUES ('shared')")
        .await
        .map(drop)
}

#[change(id = "plain", order = "002", transaction = false, register = false)]
async fn plain(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[change(id = "seed one", order = "001", stage = "seed", register = false)]
async fn seed_one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('seed one')")
        .await
        .map(drop)
}

#[change(id = "seed two", order = "002", stage = "seed", register = false)]
async fn seed_two(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "SELECT count(*) FROM done").await?;
    query(db, "INSERT INTO done VALUES ('seed two')")
        .await
        .map(drop)
}

fn runner(pool: &Pool<Db>) -> Runner {
    Runner::new(pool)
        .stage(Stage::new("seed").atomic())
        .changes(changes![shared, plain, seed_one, seed_two])
        .parallel_stages(2)
        .lock(LockOptions::default().poll(std::time::Duration::from_millis(5)))
}

/// Eight first runs at the same time: one applies the changes, the others find them applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_first_runs_succeed_at_every_isolation_level() {
    for level in LEVELS {
        for round in 0..3 {
            let database = Backend::fresh().await;
            let watch = with_table(&database, 1).await;
            let starts = (0..8).map(|_| {
                let options = PoolOptions::<Db>::new().max_connections(3);
                let url = database.url.clone();
                tokio::spawn(async move {
                    let pool = isolated(options, level).connect(&url).await.unwrap();
                    runner(&pool)
                        .run()
                        .await
                        .map(|report| report.counts().newly_applied)
                })
            });
            let mut applied = 0;
            for start in starts.collect::<Vec<_>>() {
                match start.await.unwrap() {
                    Ok(count) => applied += count,
                    Err(error) => panic!("{level}, round {round}: {error}"),
                }
            }
            assert_eq!(applied, 4, "{level}");
            let traces = ["plain", "seed one", "seed two", "shared"];
            assert_eq!(done(&watch).await, traces, "{level}");
            let rows = audit(&watch).await;
            let entries = rows.iter().filter(|row| row.contains("APPLIED"));
            assert_eq!(entries.count(), 4, "{level}: {rows:?}");
        }
    }
}
