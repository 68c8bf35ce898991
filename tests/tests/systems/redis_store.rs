//! `examples/redis-store`: an audit store outside of this project's packages.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use flamingock::testing::store::{self, Optional};
use flamingock::{ErrorKind, LockOptions, Runner, change, changes};
use flamingock_tests::systems::Redis;
use flamingock_tests::{Gate, System};
use redis_store::RedisStore;

use crate::program::page;

const SOON: Duration = Duration::from_secs(60);

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

#[tokio::test]
async fn store_keeps_all_rules() -> io::Result<()> {
    let redis = System::start(Redis).await?;
    store::exercise_without(&[Optional::Batches], async || {
        assert_eq!(redis.ask("FLUSHALL"), "+OK");
        Arc::new(RedisStore::new(&redis.url()).unwrap())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn page_shows_the_actual_output() -> io::Result<()> {
    let redis = System::start(Redis).await?;
    let page = page("redis-store").with("REDIS_URL", "redis://127.0.0.1:6379", redis.url());
    page.check();
    Ok(())
}

#[tokio::test]
async fn two_instances_apply_once() -> io::Result<()> {
    let redis = System::start(Redis).await?;
    let gate = Gate::default();
    let start = || {
        let runner = Runner::new(Arc::new(RedisStore::new(&redis.url()).unwrap()))
            .changes(changes![gated])
            .provide(gate.clone());
        tokio::spawn(runner.run())
    };
    let (one, other) = (start(), start());
    gate.reached().await;
    gate.open();
    let (one, other) = (one.await?.unwrap(), other.await?.unwrap());
    assert_eq!(one.counts().newly_applied + other.counts().newly_applied, 1);
    assert_eq!(gate.visitors(), 1);
    Ok(())
}

#[tokio::test]
async fn owner_that_is_killed_leaves_an_issue() -> io::Result<()> {
    let redis = System::start(Redis).await?;
    let store = Arc::new(RedisStore::new(&redis.url()).unwrap());
    let gate = Gate::default();
    let runner = |store: &Arc<RedisStore>| {
        Runner::new(Arc::clone(store))
            .lock(LockOptions::default().lease(Duration::from_secs(1)))
            .changes(changes![gated])
            .provide(gate.clone())
    };
    // The thread that renews the lease dies with its process.
    let run = std::thread::spawn({
        let runner = runner(&store);
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let _ = runtime.block_on(async { tokio::time::timeout(SOON, runner.run()).await });
        }
    });
    gate.reached().await;
    drop(run);
    let lock = runner(&store).lock_status().await.unwrap().unwrap();
    assert!(lock.held);
    runner(&store)
        .release_lock("its process is gone")
        .await
        .unwrap();
    let error = runner(&store).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Issues, "{error:?}");
    gate.open();
    Ok(())
}

#[tokio::test]
async fn server_that_forgets_what_it_acknowledged_is_refused() -> io::Result<()> {
    let redis = System::start(Redis).await?;
    assert_eq!(redis.ask("CONFIG SET appendfsync everysec"), "+OK");
    let store = Arc::new(RedisStore::new(&redis.url()).unwrap());
    let gate = Gate::default();
    gate.open();
    let runner = Runner::new(store).changes(changes![gated]).provide(gate);
    let error = runner.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error:?}");
    let told = "start it with `--appendfsync always`";
    assert!(format!("{error:?}").contains(told), "{error:?}");
    Ok(())
}
