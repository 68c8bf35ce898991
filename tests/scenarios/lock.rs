//! The lock: waiting for it, keeping it, losing it.

use std::time::Duration;

use flamingock::{ErrorKind, LockOptions, OnLockTimeout, Runner, change, changes};
use flamingock_tests::{Backend as _, Gate, audit, done, query, strings, with_table};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

use super::{Backend, Connection, Db};

/// Short enough to wait for, and long enough for a renewal on a busy machine.
const LEASE: Duration = Duration::from_secs(2);

const LONG: Duration = Duration::from_secs(30);

/// Steals the lock, like a run that finds the lease expired.
const TAKE_OVER: &str = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief' WHERE service = 'default'";

const IS_SQLITE: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"SQLite"
);

fn options_of(lease: Duration, wait: Duration) -> LockOptions {
    LockOptions::default()
        .lease(lease)
        .wait(wait)
        .poll(Duration::from_millis(10))
}

#[change(id = "gated", order = "001", register = false)]
async fn gated(gate: &Gate) {
    gate.pass().await;
}

#[change(id = "counted", order = "002", register = false)]
async fn counted(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('counted')")
        .await
        .map(drop)
}

#[tokio::test]
async fn waiter_returns_without_the_lock_once_nothing_is_pending() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let looks = tokio::sync::watch::Sender::new(0);
    let looked = looks.clone();
    let options = PoolOptions::new()
        .max_connections(1)
        .after_release(move |_, _| {
            looked.send_modify(|looks| *looks += 1);
            Box::pin(async { Ok(true) })
        });
    let other = database.pool_with(options).await;
    let gate = Gate::default();
    let runner = |pool: &Pool<Db>| {
        Runner::new(pool)
            .changes(changes![gated, counted])
            .provide(gate.clone())
    };
    let owner = tokio::spawn(runner(&pool).run());
    gate.reached().await;
    let waiter = tokio::spawn(runner(&other).lock(options_of(LONG, LONG)).run());
    // The first use of a connection is the pool's own, and the other two are polls under the live
    // lease.
    looks
        .subscribe()
        .wait_for(|looks| *looks > 2)
        .await
        .unwrap();
    assert!(!waiter.is_finished());
    assert_eq!(gate.visitors(), 1);
    gate.open();
    assert_eq!(owner.await.unwrap().unwrap().counts().newly_applied, 2);
    assert!(waiter.await.unwrap().unwrap().is_up_to_date());
    assert_eq!(gate.visitors(), 1);
    assert_eq!(done(&pool).await, ["counted"]);
    assert_eq!(
        strings(&pool, "SELECT fencing_token FROM flamingock_lock").await,
        ["1"]
    );
}

#[tokio::test]
async fn waiter_that_times_out_names_the_lock_owner() {
    let database = Backend::fresh().await;
    let (pool, other) = (with_table(&database, 2).await, database.pool(1).await);
    let gate = Gate::default();
    let runner = |pool: &Pool<Db>| {
        Runner::new(pool)
            .changes(changes![gated, counted])
            .provide(gate.clone())
    };
    let owner = tokio::spawn(runner(&pool).run());
    gate.reached().await;
    let short = options_of(LONG, Duration::from_millis(100));
    let error = runner(&other).lock(short).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error:?}");
    let report = error.report().unwrap();
    let said = error.lock_owner().unwrap().to_string();
    assert!(
        said.starts_with(&format!("default (process {} on ", std::process::id())),
        "{said}"
    );
    assert!(format!("{error:#}").contains(&said), "{error}");
    assert_eq!(report.counts().not_reached, 2, "{report}");

    let report = runner(&other)
        .lock(short.on_timeout(OnLockTimeout::Continue))
        .run()
        .await;
    let report = report.unwrap();
    assert!(!report.is_success());
    assert!(
        report.to_string().contains("nothing is guaranteed"),
        "{report}"
    );
    gate.open();
    owner.await.unwrap().unwrap();
}

#[change(
    id = "robbed-outside",
    order = "001",
    transaction = false,
    register = false
)]
async fn robbed_outside(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, TAKE_OVER).await.map(drop)
}

#[tokio::test]
async fn run_that_lost_its_lock_writes_and_starts_nothing() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![robbed_outside, counted])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(audit(&pool).await, ["robbed-outside 1 STARTED none"]);
    assert_eq!(done(&pool).await, Vec::<String>::new());
}

#[change(id = "told-of-the-loss", order = "001", register = false)]
async fn told_of_the_loss(pool: &Pool<Db>, cx: &flamingock::Context) {
    flamingock_tests::execute(pool, TAKE_OVER).await;
    cx.cancelled().await;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn renewal_detects_a_takeover_and_ends_the_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = Runner::new(&pool).changes(changes![told_of_the_loss]);
    let run = runner.lock(options_of(Duration::from_secs(3), LONG)).run();
    let error = tokio::time::timeout(LONG, run).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(audit(&pool).await, ["told-of-the-loss 1 STARTED none"]);
}

#[change(id = "blocks", order = "001", transaction = false, register = false)]
async fn blocks(db: &mut Connection, blocked: &Duration) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('blocks')").await?;
    std::thread::sleep(*blocked);
    Ok(())
}

#[change(id = "blocks-shared", order = "001", register = false)]
async fn blocks_shared(db: &mut Connection, blocked: &Duration) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('blocks-shared')").await?;
    std::thread::sleep(*blocked);
    Ok(())
}

/// Makes the transaction fail if another one changes a row that it has read or could read.
const STRICT: &str = match <Backend as flamingock_tests::Backend>::NAME.as_bytes() {
    b"PostgreSQL" => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    b"MariaDB" => "SET SESSION innodb_snapshot_isolation = ON",
    _ => "SELECT 1",
};

#[change(id = "strict", order = "001", register = false)]
async fn strict(db: &mut Connection, lease: &Duration) -> Result<(), sqlx::Error> {
    query(db, STRICT).await?;
    let renewed = "SELECT expires_at FROM flamingock_lease";
    let before = query(db, renewed).await?;
    query(db, "INSERT INTO done VALUES ('strict')").await?;
    // Long enough for more than one renewal.
    tokio::time::sleep(*lease).await;
    assert_eq!(query(db, renewed).await?, before, "a snapshot");
    Ok(())
}

#[tokio::test]
async fn renewal_does_not_conflict_with_a_stricter_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let lease = LEASE;
    let runner = Runner::new(&pool).changes(changes![strict]).provide(lease);
    let report = runner.lock(options_of(lease, LONG)).run().await.unwrap();
    assert_eq!(report.changes().next().unwrap().notes, []);
    assert_eq!(audit(&pool).await, ["strict 1 APPLIED shared"]);
}

#[change(id = "long", order = "001", register = false)]
async fn long(db: &mut Connection, lease: &Duration) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('long')").await?;
    tokio::time::sleep(*lease * 3 / 2).await;
    Ok(())
}

#[tokio::test]
async fn change_longer_than_the_lease_keeps_the_lock() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let lease = LEASE;
    let runner = || {
        Runner::new(&pool)
            .changes(changes![long, counted])
            .provide(lease)
            .lock(options_of(lease, LONG))
    };
    let (one, other) = tokio::join!(runner().run(), runner().run());
    assert_eq!(
        one.unwrap().counts().newly_applied + other.unwrap().counts().newly_applied,
        2
    );
    assert_eq!(done(&pool).await, ["counted", "long"]);
    assert_eq!(
        audit(&pool).await,
        ["long 1 APPLIED shared", "counted 1 APPLIED shared"]
    );
}

/// The test needs real time: the executor's only thread is blocked for longer than the lease.
#[test]
fn blocked_executor_keeps_the_lock() {
    for change in [changes![blocks][0], changes![blocks_shared][0]] {
        let lease = LEASE;
        let database = flamingock_tests::run_scenario(Backend::fresh());
        let pool = flamingock_tests::run_scenario(with_table(&database, 1));
        let url = database.url.clone();
        let run = move |url: String| {
            flamingock_tests::run_scenario(async move {
                let pool = PoolOptions::<Db>::new()
                    .max_connections(1)
                    .connect(&url)
                    .await
                    .unwrap();
                let runner = Runner::new(&pool).changes([change]).provide(lease * 3 / 2);
                runner.lock(options_of(lease, LONG)).run().await
            })
        };
        let starts: Vec<_> = (0..3)
            .map(|_| {
                let url = url.clone();
                std::thread::spawn(move || run(url))
            })
            .collect();
        let applied: usize = starts
            .into_iter()
            .map(|start| start.join().unwrap().unwrap().counts().newly_applied)
            .sum();
        assert_eq!(applied, 1);
        drop(pool);
        let (left, tokens) = flamingock_tests::run_scenario(async {
            let pool = database.pool(1).await;
            (
                done(&pool).await,
                strings(&pool, "SELECT fencing_token FROM flamingock_lock").await,
            )
        });
        assert_eq!(left, [change.id]);
        // During a transaction on SQLite no renewal is possible, so the lease looks expired. Nor
        // can another run acquire the lock until the change has renewed it: waiters get it after
        // its release.
        if !(change.body.transaction && IS_SQLITE) {
            assert_eq!(tokens, ["1"], "{}", change.id);
        }
    }
}

#[tokio::test]
async fn concurrent_runs_apply_each_change_once() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 4).await;
    let gate = Gate::default();
    gate.open();
    let runs: Vec<_> = (0..8)
        .map(|_| {
            let runner = Runner::new(&pool)
                .changes(changes![gated, counted])
                .provide(gate.clone());
            tokio::spawn(runner.run())
        })
        .collect();
    let mut applied = 0;
    for run in runs {
        applied += run.await.unwrap().unwrap().counts().newly_applied;
    }
    assert_eq!((applied, gate.visitors()), (2, 1));
    assert_eq!(audit(&pool).await.len(), 3);
}
