//! Servers that are killed and restarted, or not restarted in time.

use std::time::{Duration, Instant};

use flamingock_tests::servers::Hosted;
use flamingock_tests::sql::once;
use flamingock_tests::{MariaDb, Postgres};

use super::holding_proxy::{HoldingProxy, Where};
use super::oracle::{Expected, PLAIN, Promise, SHARED, Scene, VERIFIED};
use super::start::{Ran, Start, end_of};

/// The moment at which the server is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The change is paused at a point of its own.
    At(&'static str),
    /// Its commit has been sent.
    Commit(Where),
}

/// A non-transactional change whose own statement failed needs manual resolution, with or without a
/// verify function.
const FAILING: Expected = Expected {
    promise: Promise::OnceOrIssue,
    ..VERIFIED
};

const MOMENTS: [(Expected, Moment); 7] = [
    (SHARED, Moment::At("shared 0")),
    (SHARED, Moment::At("shared 1")),
    (SHARED, Moment::Commit(Where::BeforeServer)),
    (SHARED, Moment::Commit(Where::AfterServer)),
    (FAILING, Moment::At("verified 0")),
    (FAILING, Moment::At("verified 1")),
    (PLAIN, Moment::At("plain 1")),
];

async fn killed_server<H: Hosted>() {
    let mut server = H::start().await.unwrap();
    for (change, moment) in MOMENTS {
        let database = server.fresh().await;
        once::<H::Db>(&database.url, "CREATE TABLE done (what VARCHAR(200))")
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let what = format!("{moment:?} of {}", change.id);
        let ran = match moment {
            Moment::At(point) => {
                let start = Start::of(change.id, &database.url).lock(6_000, 15_000);
                let driver = start.spawn_held(point, &go).await;
                server.kill().unwrap();
                server.restart().await.unwrap();
                std::fs::write(&go, "").unwrap();
                end_of(driver).await
            }
            Moment::Commit(held) => {
                let valve = HoldingProxy::at("=COMMIT", held);
                let through = valve.url(&database.url).await;
                let driver = Start::of(change.id, &through).lock(6_000, 15_000).spawn();
                valve.closed().await;
                server.kill().unwrap();
                server.restart().await.unwrap();
                valve.cut();
                end_of(driver).await
            }
        };
        let result = ran.result.as_deref();
        let ends = ["ok", "ChangesFailed", "InDoubt", "LeaseLost", "Issues"];
        assert!(ends.contains(&result.unwrap()), "{what}: {}", ran.output);
        if matches!(moment, Moment::Commit(Where::AfterServer)) {
            ran.expect("ok");
        }
        resolves(&database.url, change, &ran).await;
    }
}

async fn resolves(url: &str, change: Expected, before: &Ran) {
    let again = Start::of(change.id, url).lock(6_000, 20_000).run().await;
    let found = change.look(&Scene::of(url, url)).await;
    change.judge(&found, &again, &format!("after\n{}", before.output));
}

#[tokio::test]
async fn postgres_that_is_killed_and_restarted_loses_nothing() {
    killed_server::<Postgres>().await;
}

#[tokio::test]
async fn mariadb_that_is_killed_and_restarted_loses_nothing() {
    killed_server::<MariaDb>().await;
}

/// The run ends when its wait is over, and the next run continues.
async fn gone_server<H: Hosted>() {
    let mut server = H::start().await.unwrap();
    for (change, point) in [(SHARED, "shared 1"), (PLAIN, "plain 2")] {
        let database = server.fresh().await;
        once::<H::Db>(&database.url, "CREATE TABLE done (what VARCHAR(200))")
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let start = Start::of(change.id, &database.url).lock(60_000, 2_000);
        let driver = start.spawn_held(point, &go).await;
        server.kill().unwrap();
        std::fs::write(&go, "").unwrap();
        let began = Instant::now();
        let ran = end_of(driver).await;
        ran.expect("InDoubt")
            .says("Run again when the database is reachable");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        server.restart().await.unwrap();
        // The dead owner's lease is a minute long: waiting for it would take too long.
        let free = "UPDATE flamingock_lease SET expires_at = '1970-01-02'";
        once::<H::Db>(&database.url, free).await.unwrap();
        resolves(&database.url, change, &ran).await;
    }
}

#[tokio::test]
async fn postgres_that_stays_unreachable_leaves_the_outcome_in_doubt_in_time() {
    gone_server::<Postgres>().await;
}

#[tokio::test]
async fn mariadb_that_stays_unreachable_leaves_the_outcome_in_doubt_in_time() {
    gone_server::<MariaDb>().await;
}
