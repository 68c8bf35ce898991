//! Batches renew the lease of their lock where nothing else can, and never shorten it.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use flamingock::{Batch, BoxError, LockOptions, Next, Runner, change, changes};
use flamingock_tests::{Backend as _, query, with_table};
use sqlx::Pool;

use super::super::{Backend, Connection, Db};

const LEASE: Duration = Duration::from_secs(3600);

/// Reads how long the leases are while a batch works.
#[derive(Debug)]
struct Watch {
    pool: Pool<Db>,
    left: Mutex<Vec<Duration>>,
}

impl Watch {
    async fn batch(&self, batch: Batch<i64>, db: &mut Connection) -> Result<Next<i64>, BoxError> {
        let number = batch.cursor().copied().unwrap_or(0) + 1;
        query(db, &format!("INSERT INTO done VALUES ('batch {number}')")).await?;
        let runner = Runner::new(&self.pool).changes([]);
        let locks = runner.lock_status().await?.into_iter();
        let held = locks.chain(runner.lanes().await?).find(|lock| lock.held);
        let ends = held.and_then(|lock| lock.expires_at);
        let ends = ends.ok_or("the lock has no lease")?;
        let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
        self.left.lock().unwrap().push(left);
        Ok(match number {
            4 => Next::finished(),
            number => Next::after(number),
        })
    }
}

#[change(id = "watched", order = "001", batch, register = false)]
async fn at_the_start(
    batch: Batch<i64>,
    db: &mut Connection,
    watch: &Watch,
) -> Result<Next<i64>, BoxError> {
    watch.batch(batch, db).await
}

#[change(
    id = "watched",
    order = "001",
    phase = "background",
    batch,
    register = false
)]
async fn in_background(
    batch: Batch<i64>,
    db: &mut Connection,
    watch: &Watch,
) -> Result<Next<i64>, BoxError> {
    watch.batch(batch, db).await
}

#[tokio::test]
async fn lease_is_not_shorter_after_a_batch() {
    for change in [changes![at_the_start], changes![in_background]] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 6).await;
        let watch = std::sync::Arc::new(Watch {
            pool: pool.clone(),
            left: Mutex::default(),
        });
        let runner = Runner::new(&pool)
            .changes(change)
            .lock(LockOptions::default().lease(LEASE))
            .provide_arc(std::sync::Arc::clone(&watch));
        runner.spawn().wait().await.unwrap();
        let left = watch.left.lock().unwrap().clone();
        assert_eq!(left.len(), 4);
        assert!(left.iter().all(|left| *left > LEASE / 2), "{left:?}");
    }
}
