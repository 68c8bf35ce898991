//! An owner that can't determine which transactions are open, or gets no more answers: it neither
//! releases the lock nor keeps it forever.

use std::time::{Duration, Instant};

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::network::as_sent;
use super::oracle::{DDL, Expected, MADE_TOGETHER, PLAIN, SHARED, Scene, TOGETHER};
use super::start::{Start, end_of};

/// The DDL of the change has been sent, its session cannot be ended, and so its run can't determine
/// the outcome. The next owner ends that session before it applies the same change again.
#[tokio::test]
async fn mariadb_ddl_in_doubt_that_arrives_late_commits_nothing() {
    let ground = Ground::with_table(Kind::MariaDb).await;
    let ends = HoldingProxy::at("kill connection", Where::BeforeServer);
    let ddl = HoldingProxy::at("create table made_", Where::BeforeServer);
    let through = ddl.url(&ends.url(ground.url()).await).await;
    let driver = Start::of("ddl", &through).lock(3_000, 1_000).spawn();
    ddl.closed().await;
    ddl.sever();
    let first = end_of(driver).await;
    first.expect("InDoubt");
    let second = Start::of("ddl", ground.url())
        .lock(3_000, 20_000)
        .run()
        .await;
    let told = format!("after\n{}", first.output);
    second.expect_after("ok", &told);
    ddl.open();
    ends.open();
    let scene = Scene::of(ground.url(), ground.url());
    let again = Start::of("ddl", ground.url())
        .lock(3_000, 20_000)
        .run()
        .await;
    DDL.judge(&DDL.look(&scene).await, &again, &told);
}

/// Ending the sessions of a dead owner takes nearly a lease. The lock is kept during that time, and
/// later changes have enough time.
#[tokio::test]
async fn mariadb_lease_is_renewed_while_sessions_are_being_ended() {
    const LEASE: u32 = 3_000;
    let ground = Ground::with_table(Kind::MariaDb).await;
    let ddl = HoldingProxy::at("create table made_", Where::BeforeServer);
    let through = ddl.url(ground.url()).await;
    let mut dead = Start::of("ddl", &through).lock(500, 15_000).spawn();
    ddl.closed().await;
    dead.kill().unwrap();
    end_of(dead).await;
    let slow = HoldingProxy::at("kill connection", Where::BeforeServer);
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let changes = "ddl,verified";
    let through = slow.url(ground.url()).await;
    let second = Start::of(changes, &through).holding("verified 1", &go);
    let mut second = second.lock(LEASE, 20_000).spawn();
    slow.closed().await;
    let third = Start::of(changes, ground.url()).lock(LEASE, 20_000).spawn();
    // The test needs real time.
    tokio::time::sleep(Duration::from_millis(u64::from(LEASE) * 4 / 5)).await;
    slow.open();
    second
        .line("at verified 1", super::start::DEADLINE)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(u64::from(LEASE) * 2)).await;
    std::fs::write(&go, "").unwrap();
    end_of(second).await.expect("ok");
    end_of(third).await.expect("ok").says("up to date");
    ddl.open();
    let done = rows(ground.url(), "SELECT what FROM done ORDER BY what").await;
    assert_eq!(done, ["t ddl 1", "t ddl 2", "t verified 1"]);
    assert_eq!(
        rows(ground.url(), "SELECT fencing_token FROM flamingock_lock").await,
        ["2"]
    );
}

/// No thread for the renewals can be started: the lock is released, and nothing has run.
async fn no_thread(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let start = || Start::of("plain,last", ground.url()).lock(2_000, 5_000);
    // More than a stack can have, so that every thread is refused.
    let refused = start().environment("RUST_MIN_STACK", "70368744177664");
    refused
        .run()
        .await
        .expect("Store")
        .says("could not start the thread that renews the lease");
    let lock = rows(
        ground.url(),
        "SELECT fencing_token, run_id FROM flamingock_lock",
    )
    .await;
    assert_eq!(lock, ["1|"]);
    let entries = rows(ground.url(), "SELECT count(*) FROM flamingock_audit").await;
    assert_eq!(entries, ["0"]);
    start().run().await.expect("ok");
}

#[tokio::test]
async fn postgres_run_that_cannot_start_its_thread_releases_the_lock() {
    no_thread(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_run_that_cannot_start_its_thread_releases_the_lock() {
    no_thread(Kind::MariaDb).await;
}

/// The lease of a run without answers, in milliseconds: long enough that none of the concurrent
/// runs loses it on a busy machine.
const UNANSWERED: u32 = 6_000;

/// From this text on, one connection never gets an answer. All others do, including the one that
/// renews.
struct Swallowed {
    change: Expected,
    /// The statement on PostgreSQL, and on MariaDB.
    texts: [String; 2],
    /// The result of the run.
    end: &'static str,
}

impl Swallowed {
    fn at(change: Expected, postgres: &str, mariadb: &str, end: &'static str) -> Swallowed {
        let texts = [postgres.to_owned(), mariadb.to_owned()];
        Swallowed { change, texts, end }
    }

    fn entry(change: Expected, state: &str, end: &'static str) -> Swallowed {
        let texts = [Kind::Postgres, Kind::MariaDb].map(|kind| as_sent(kind, state));
        Swallowed { change, texts, end }
    }

    async fn ends(&self, kind: Kind, held: Where) {
        let [postgres, mariadb] = &self.texts;
        let text = match kind {
            Kind::MariaDb => mariadb,
            Kind::Postgres | Kind::Sqlite => postgres,
        };
        let change = self.change;
        let ground = Ground::with_table(kind).await;
        let valve = HoldingProxy::at(text, held);
        let through = valve.url(ground.url()).await;
        let start = Start::of(change.id, &through).lock(UNANSWERED, 1_000);
        let driver = start.spawn();
        valve.closed().await;
        let began = Instant::now();
        let ran = end_of(driver).await;
        let took = began.elapsed();
        let told = format!("{kind:?} {text} {held:?} {took:?}\n{}", ran.output);
        ran.expect_after(self.end, &told);
        valve.open();
        let scene = Scene::of(ground.url(), ground.url());
        let again = Start::of(change.id, ground.url()).lock(5_000, 20_000);
        let again = again.run().await;
        change.judge(&change.look(&scene).await, &again, &told);
    }
}

async fn each_swallowed(kind: Kind) {
    // The outcome cannot be determined while the session lives: only the next run can.
    let cases = [
        Swallowed::at(
            SHARED,
            "::pg_catalog.regclass is null",
            "cast(database()",
            "Store",
        ),
        Swallowed::at(SHARED, "with recursive k", "group by service", "Store"),
        Swallowed::at(SHARED, "skip locked", "for update nowait", "Store"),
        Swallowed::at(
            SHARED,
            "begin; set flamingock",
            "set autocommit = 0, completion_type",
            "InDoubt",
        ),
        Swallowed::entry(SHARED, "APPLIED", "InDoubt"),
        Swallowed::at(SHARED, "=COMMIT", "=COMMIT", "InDoubt"),
        // Everything is applied and recorded; waiters wait for the end of the lease.
        Swallowed::at(SHARED, "set pipeline_digest", "set k.pipeline_digest", "ok"),
        // It did not run, which another connection records.
        Swallowed::entry(PLAIN, "STARTED", "ChangesFailed"),
        Swallowed::entry(PLAIN, "APPLIED", "InDoubt"),
    ];
    let runs = cases.iter().flat_map(|case| {
        [Where::BeforeServer, Where::AfterServer].map(|held| case.ends(kind, held))
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn postgres_run_ends_when_its_connection_stays_silent() {
    each_swallowed(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_run_ends_when_its_connection_stays_silent() {
    each_swallowed(Kind::MariaDb).await;
}

/// DDL of an atomic stage has been sent, its session can't be ended, and so its run can't determine
/// the outcome of the stage. The next owner ends that session before it applies the stage again.
#[tokio::test]
async fn mariadb_ddl_of_an_atomic_stage_in_doubt_that_arrives_late_commits_nothing() {
    const CHANGES: &str = "together,made-together";
    let ground = Ground::with_table(Kind::MariaDb).await;
    let ends = HoldingProxy::at("kill connection", Where::BeforeServer);
    let ddl = HoldingProxy::at("create table together_", Where::BeforeServer);
    let through = ddl.url(&ends.url(ground.url()).await).await;
    let driver = Start::of(CHANGES, &through).lock(3_000, 1_000).spawn();
    ddl.closed().await;
    ddl.sever();
    let first = end_of(driver).await;
    first.expect("InDoubt");
    let start = Start::of(CHANGES, ground.url()).lock(3_000, 40_000);
    let second = start.run().await;
    let told = format!("after\n{}", first.output);
    second.expect_after("ok", &told);
    ddl.open();
    ends.open();
    let scene = Scene::of(ground.url(), ground.url());
    let again = start.run().await;
    for change in [TOGETHER, MADE_TOGETHER] {
        change.judge(&change.look(&scene).await, &again, &told);
    }
}
