//! The network fails while two stages run side by side.

use std::time::{Duration, Instant};

use flamingock_tests::Proxy;

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::oracle::{BESIDE, Expected, LAST, SHARED, Scene, TOGETHER};
use super::start::{DEADLINE, Ran, Start, end_of};

const ALL: [Expected; 4] = [SHARED, TOGETHER, BESIDE, LAST];

/// The default stage, next to an atomic one.
fn start(url: &str) -> Start {
    Start::of("shared,last,together,beside", url)
        .with("--pool", 3)
        .with("--parallel", 2)
}

/// The report of a run agrees with the audit.
async fn agrees(ground: &Ground, ran: &Ran) {
    for change in ALL {
        let sql = format!(
            "SELECT count(*) FROM flamingock_audit WHERE change_id = '{}' AND state = 'APPLIED'",
            change.id
        );
        let is_there = rows(ground.url(), &sql).await == ["1"];
        let order = if change.id == "last" { "008" } else { "001" };
        let order = if change.id == "beside" { "002" } else { order };
        let line = format!("{order} {} ", change.id);
        let told = ran.output.lines().find(|told| told.contains(&line));
        let is_told = told.is_some_and(|told| told.contains("applied"));
        assert_eq!(is_told, is_there, "{}: {told:?}\n{}", change.id, ran.output);
    }
}

/// Runs again, on a network that works: each change has its effect once.
async fn recovers(ground: &Ground, before: &Ran) {
    let again = start(ground.url()).lock(5_000, 20_000).run().await;
    let scene = Scene::of(ground.url(), ground.url());
    for change in ALL {
        let found = change.look(&scene).await;
        change.judge(&found, &again, &format!("after\n{}", before.output));
    }
}

/// Both stages are running, and the lease cannot be renewed.
async fn renewal_fails(kind: Kind) {
    let ground = Ground::with_table(kind).await;
    let proxy = Proxy::in_front_of(ground.url()).unwrap();
    let nowhere = std::path::Path::new("/nonexistent/flamingock");
    let mut driver = start(&proxy.url(ground.url()))
        .holding("shared 1", nowhere)
        .holding("together 1", nowhere)
        .lock(600, 2_000)
        .spawn();
    // In whichever order they come.
    driver.line(" 1", DEADLINE).await.unwrap();
    driver.line(" 1", DEADLINE).await.unwrap();
    let began = Instant::now();
    proxy.blackhole();
    let ran = end_of(driver).await;
    ran.expect("LeaseLost").says("could not be renewed");
    assert!(began.elapsed() < Duration::from_secs(25), "{}", ran.output);
    drop(proxy);
    agrees(&ground, &ran).await;
    recovers(&ground, &ran).await;
}

/// One of the two is cut off at its commit, and the other continues.
async fn commit_is_cut(kind: Kind) {
    let cases = [Where::BeforeServer, Where::AfterServer].map(async |held| {
        let ground = Ground::with_table(kind).await;
        let valve = HoldingProxy::at("=COMMIT", held);
        let driver = start(&valve.url(ground.url()).await)
            .lock(5_000, 15_000)
            .spawn();
        valve.closed().await;
        valve.cut();
        let ran = end_of(driver).await;
        let result = match held {
            Where::BeforeServer => "ChangesFailed",
            Where::AfterServer => "ok",
        };
        ran.expect(result);
        agrees(&ground, &ran).await;
        recovers(&ground, &ran).await;
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn postgres_stages_side_by_side_end_when_their_lease_is_not_renewed() {
    renewal_fails(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_stages_side_by_side_end_when_their_lease_is_not_renewed() {
    renewal_fails(Kind::MariaDb).await;
}

#[tokio::test]
async fn postgres_stage_whose_commit_is_cut_leaves_the_other_alone() {
    commit_is_cut(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_stage_whose_commit_is_cut_leaves_the_other_alone() {
    commit_is_cut(Kind::MariaDb).await;
}
