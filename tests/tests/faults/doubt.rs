//! An owner that can't tell what is still open, or gets no answer any more: it neither gives the lock back
//! nor keeps it for ever.

use std::time::{Duration, Instant};

use super::ground::{Ground, Kind, rows};
use super::network::as_sent;
use super::oracle::{DDL, Expected, PLAIN, SHARED, Scene};
use super::start::{Start, end_of};
use super::valve::{Valve, Where};

/// The change's DDL is on its way, its session cannot be ended, and so its run can't say what became of it.
/// The next owner ends that session before it does the same again.
#[tokio::test]
async fn mariadb_ddl_in_doubt_that_arrives_late_commits_nothing() {
    let ground = Ground::with_table(Kind::MariaDb).await;
    let ends = Valve::at("kill connection", Where::BeforeServer);
    let ddl = Valve::at("create table made_", Where::BeforeServer);
    let through = ddl.url(&ends.url(ground.url()).await).await;
    let driver = Start::of("ddl", &through).lock(3_000, 1_000).spawn();
    ddl.closed().await;
    ddl.sever();
    let first = end_of(driver).await;
    first.expect("OutcomeUnknown");
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

/// To end the sessions of a dead owner takes nearly a lease. The lock is kept all the while, and what
/// follows has the time that it needs.
#[tokio::test]
async fn mariadb_lease_is_renewed_while_sessions_are_being_ended() {
    const LEASE: u32 = 3_000;
    let ground = Ground::with_table(Kind::MariaDb).await;
    let ddl = Valve::at("create table made_", Where::BeforeServer);
    let through = ddl.url(ground.url()).await;
    let mut dead = Start::of("ddl", &through).lock(500, 15_000).spawn();
    ddl.closed().await;
    dead.kill().unwrap();
    end_of(dead).await;
    let slow = Valve::at("kill connection", Where::BeforeServer);
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let changes = "ddl,verified";
    let through = slow.url(ground.url()).await;
    let second = Start::of(changes, &through).holding("verified 1", &go);
    let mut second = second.lock(LEASE, 20_000).spawn();
    slow.closed().await;
    let third = Start::of(changes, ground.url()).lock(LEASE, 20_000).spawn();
    // The time is what is tested.
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
        rows(ground.url(), "SELECT token FROM flamingock_lock").await,
        ["2"]
    );
}

/// No thread can be started that would renew the lease: the lock is given back, and nothing has run.
async fn no_thread(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let start = || Start::of("plain,last", ground.url()).lock(2_000, 5_000);
    // More than a stack can have: every thread is refused.
    let refused = start().environment("RUST_MIN_STACK", "70368744177664");
    refused
        .run()
        .await
        .expect("Store")
        .says("could not start the thread that renews the lease");
    let lock = rows(ground.url(), "SELECT token, run_id FROM flamingock_lock").await;
    assert_eq!(lock, ["1|"]);
    let entries = rows(ground.url(), "SELECT count(*) FROM flamingock_audit").await;
    assert_eq!(entries, ["0"]);
    start().run().await.expect("ok");
}

#[tokio::test]
async fn postgres_run_that_can_start_no_thread_gives_the_lock_back() {
    no_thread(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_run_that_can_start_no_thread_gives_the_lock_back() {
    no_thread(Kind::MariaDb).await;
}

/// One connection is never answered again from this text on; all others are, also that which renews.
async fn swallowed(kind: Kind, change: Expected, text: String, held: Where, results: &[&str]) {
    let ground = Ground::with_table(kind).await;
    let valve = Valve::at(&text, held);
    let through = valve.url(ground.url()).await;
    let driver = Start::of(change.id, &through).lock(1_500, 1_000).spawn();
    valve.closed().await;
    let began = Instant::now();
    let ran = end_of(driver).await;
    let told = format!(
        "{kind:?} {text} {held:?} {:?}\n{}",
        began.elapsed(),
        ran.output
    );
    let result = ran.result.as_deref().unwrap_or("killed");
    assert!(results.contains(&result), "{told}");
    valve.open();
    let scene = Scene::of(ground.url(), ground.url());
    let again = Start::of(change.id, ground.url())
        .lock(5_000, 20_000)
        .run()
        .await;
    change.judge(&change.look(&scene).await, &again, &told);
}

async fn each_swallowed(kind: Kind) {
    let by_kind = |postgres: &str, mariadb: &str| match kind {
        Kind::MariaDb => mariadb.to_owned(),
        Kind::Postgres | Kind::Sqlite => postgres.to_owned(),
    };
    // A claim is repeated on another connection.
    let ends: &[&str] = &[
        "OutcomeUnknown",
        "Store",
        "ChangesFailed",
        "LeaseLost",
        "ok",
    ];
    let cases = [
        (SHARED, by_kind("is distinct from", "cast(database()"), ends),
        (SHARED, by_kind("skip locked", "for update nowait"), ends),
        (
            SHARED,
            by_kind(
                "begin; set flamingock",
                "set autocommit = 0, completion_type",
            ),
            ends,
        ),
        (SHARED, as_sent(kind, "APPLIED"), &["OutcomeUnknown", "ok"]),
        (SHARED, "=COMMIT".to_owned(), &["OutcomeUnknown", "ok"]),
        (
            SHARED,
            by_kind("set pipeline_digest", "set k.pipeline_digest"),
            &["ok"],
        ),
        (PLAIN, as_sent(kind, "STARTED"), ends),
        // On PostgreSQL the word also stands in the entry that says that the change began.
        (PLAIN, as_sent(kind, "APPLIED"), ends),
    ];
    let runs = cases.iter().flat_map(|(change, text, results)| {
        [Where::BeforeServer, Where::AfterServer]
            .map(|held| swallowed(kind, *change, text.clone(), held, results))
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn postgres_connection_that_is_never_answered_again_ends_the_run() {
    each_swallowed(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_connection_that_is_never_answered_again_ends_the_run() {
    each_swallowed(Kind::MariaDb).await;
}
