//! Late answers about the lock, on real servers: a lease never counts from an answer.

use std::time::Duration;

use flamingock_tests::{Proxy, until};

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::start::{DEADLINE, Start, end_of};

/// In milliseconds.
const LEASE: u32 = 2_000;

/// For a run that must keep the lock even on a busy machine.
const LONG_LEASE: u32 = 6_000;

async fn passes(leases: f32, lease: u32) {
    // The test needs real time.
    tokio::time::sleep(Duration::from_millis(u64::from(lease)).mul_f32(leases)).await;
}

fn acquisition(kind: Kind) -> HoldingProxy {
    let text = match kind {
        Kind::MariaDb => "for update nowait",
        Kind::Postgres | Kind::Sqlite => "skip locked",
    };
    HoldingProxy::at(text, Where::AfterServer)
}

async fn done(ground: &Ground) -> Vec<String> {
    rows(ground.url(), "SELECT what FROM done ORDER BY what").await
}

async fn token(ground: &Ground) -> Vec<String> {
    rows(ground.url(), "SELECT fencing_token FROM flamingock_lock").await
}

/// The lease had expired by the server's clock when the answer came, and another run has the lock.
async fn answer_after_the_lease(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let valve = acquisition(kind);
    let through = valve.url(ground.url()).await;
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let mut first = Start::of("verified", &through).lock(LEASE, 30_000).spawn();
    valve.closed().await;
    let second = Start::of("verified", ground.url()).lock(LONG_LEASE, 30_000);
    let second = second.spawn_held("verified 1", &go).await;
    valve.open();
    passes(1.5, LEASE).await;
    assert_eq!(done(&ground).await, ["t verified 1"]);
    std::fs::write(&go, "").unwrap();
    end_of(second).await.expect("ok");
    assert!(first.line("at verified 0", Duration::ZERO).await.is_err());
    end_of(first).await.expect("ok").says("up to date");
    assert_eq!(done(&ground).await, ["t verified 1"]);
    assert_eq!(token(&ground).await, ["2"]);
}

/// Half of the lease had passed when the answer came: it is renewed before anything starts.
async fn answer_late_in_the_lease(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let valve = acquisition(kind);
    let through = valve.url(ground.url()).await;
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let first = Start::of("verified", &through).holding("verified 1", &go);
    let mut first = first.lock(LONG_LEASE, 30_000).spawn();
    valve.closed().await;
    passes(0.5, LONG_LEASE).await;
    valve.open();
    first.line("at verified 1", DEADLINE).await.unwrap();
    let second = Start::of("verified", ground.url())
        .lock(LONG_LEASE, 30_000)
        .spawn();
    passes(1.2, LONG_LEASE).await;
    std::fs::write(&go, "").unwrap();
    end_of(first).await.expect("ok");
    end_of(second).await.expect("ok").says("up to date");
    assert_eq!(done(&ground).await, ["t verified 1"]);
    assert_eq!(token(&ground).await, ["1"]);
}

/// Every answer takes most of the lease, so little of it is left when a renewal is answered: no
/// non-transactional change starts with that little.
async fn late_renewals(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let proxy = Proxy::in_front_of(ground.url()).unwrap();
    let first = Start::of("shared,verified", &proxy.url(ground.url()));
    let first = first.lock(LEASE, 30_000).spawn_stuck("shared 0").await;
    proxy.delay(Duration::from_millis(u64::from(LEASE) * 2 / 5));
    let first = end_of(first).await;
    first.expect("LeaseLost").says("could not be renewed");
    proxy.pass().unwrap();
    let second = Start::of("shared,verified", ground.url());
    second.lock(LEASE, 30_000).run().await.expect("ok");
    let all = ["t shared 1", "t shared 2", "t verified 1"];
    assert_eq!(done(&ground).await, all);
}

macro_rules! on_each {
    ($($name:ident: $scenario:ident($kind:ident);)+) => {$(
        #[tokio::test]
        async fn $name() {
            $scenario(Kind::$kind).await;
        }
    )+};
}

on_each! {
    postgres_answer_to_an_acquisition_after_its_lease_starts_nothing: answer_after_the_lease(Postgres);
    mariadb_answer_to_an_acquisition_after_its_lease_starts_nothing: answer_after_the_lease(MariaDb);
    postgres_late_answer_to_an_acquisition_keeps_the_lock: answer_late_in_the_lease(Postgres);
    mariadb_late_answer_to_an_acquisition_keeps_the_lock: answer_late_in_the_lease(MariaDb);
    postgres_late_answers_to_renewals_cost_the_lock: late_renewals(Postgres);
    mariadb_late_answers_to_renewals_cost_the_lock: late_renewals(MariaDb);
}

/// Two runs wait for the file for longer than a lease; the first one to get it has an expired
/// lease.
#[tokio::test]
async fn sqlite_acquisition_that_waited_longer_than_its_lease_starts_one_run() {
    let ground = Ground::with_table(Kind::Sqlite).await;
    let start = |changes: &str| Start::of(changes, ground.url()).lock(LONG_LEASE, 60_000);
    start("last").run().await.expect("ok");
    let pool = sqlx::SqlitePool::connect(ground.url()).await.unwrap();
    let busy = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let [first, second] =
        [(); 2].map(|()| start("last,verified").holding("verified 1", &go).spawn());
    passes(1.2, LONG_LEASE).await;
    busy.rollback().await.unwrap();
    until("one of them has started", async || {
        done(&ground).await.len() == 2
    })
    .await;
    passes(1.2, LONG_LEASE).await;
    assert_eq!(done(&ground).await, ["t last 1", "t verified 1"]);
    std::fs::write(&go, "").unwrap();
    end_of(first).await.expect("ok");
    end_of(second).await.expect("ok");
    assert_eq!(done(&ground).await, ["t last 1", "t verified 1"]);
}
