//! A network that fails between a run and its database.

use std::time::{Duration, Instant};

use flamingock_tests::{Driver, Proxy};
use futures_util::future::join_all;

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::oracle::{BESIDE, Expected, PLAIN, SEPARATE, SHARED, Scene, TOGETHER, UNDONE};
use super::start::{Ran, Start, end_of};

/// The states of every change, without MariaDB's fencing checks.
async fn states(url: &str) -> Vec<String> {
    let rows = rows(
        url,
        "SELECT change_id, state FROM flamingock_audit
         WHERE state <> 'STARTED' OR transaction_mode <> 'shared' ORDER BY seq",
    );
    rows.await
}

/// Runs again, on a network that works, and compares with the guarantee.
async fn recovers(start: Start, change: Expected, scene: &Scene, before: &Ran) {
    let again = start.lock(5_000, 20_000).run().await;
    let found = change.look(scene).await;
    change.judge(&found, &again, &format!("after\n{}", before.output));
}

macro_rules! on_servers {
    ($($scenario:ident => $postgres:ident, $mariadb:ident;)+) => {$(
        #[tokio::test]
        async fn $postgres() {
            $scenario(Kind::Postgres).await;
        }

        #[tokio::test]
        async fn $mariadb() {
            $scenario(Kind::MariaDb).await;
        }
    )+};
}

on_servers! {
    renewals_cut => postgres_run_without_renewals_ends, mariadb_run_without_renewals_ends;
    cable_pulled => postgres_commit_without_answer_does_not_hang, mariadb_commit_without_answer_does_not_hang;
    commit_cut => postgres_commit_on_a_cut_connection_is_resolved, mariadb_commit_on_a_cut_connection_is_resolved;
    atomic_commit_cut => postgres_atomic_commit_on_a_cut_connection_is_resolved, mariadb_atomic_commit_on_a_cut_connection_is_resolved;
    separate_commit_cut => postgres_separate_commit_on_a_cut_connection_is_resolved, mariadb_separate_commit_on_a_cut_connection_is_resolved;
    entry_cut => postgres_entry_on_a_cut_connection_is_written_once, mariadb_entry_on_a_cut_connection_is_written_once;
    silent => postgres_that_stops_answering_is_an_error_in_time, mariadb_that_stops_answering_is_an_error_in_time;
    refused => postgres_that_refuses_connections_is_an_error_in_time, mariadb_that_refuses_connections_is_an_error_in_time;
}

/// A process that is paused in a change, behind a proxy.
async fn behind(proxy: &Proxy, ground: &Ground, changes: &str, point: &str) -> Driver {
    let start = Start::of(changes, &proxy.url(ground.url()));
    start.lock(600, 2_000).spawn_stuck(point).await
}

/// The change itself sends nothing to the database: only the renewal notices.
async fn renewals_cut(kind: Kind) {
    let each = [
        (SHARED, true),
        (SHARED, false),
        (PLAIN, true),
        (PLAIN, false),
    ];
    let cases = each.map(async |(change, swallows)| {
        let ground = Ground::with_table(kind).await;
        let proxy = Proxy::in_front_of(ground.url()).unwrap();
        let driver = behind(&proxy, &ground, change.id, &format!("{} 1", change.id)).await;
        let began = Instant::now();
        if swallows {
            proxy.blackhole();
        } else {
            proxy.refuse().await;
            proxy.reset();
        }
        let ran = end_of(driver).await;
        ran.expect("LeaseLost").says("could not be renewed");
        assert!(
            began.elapsed() < Duration::from_secs(25),
            "{:?}",
            began.elapsed()
        );
        drop(proxy);
        let scene = Scene::of(ground.url(), ground.url());
        recovers(Start::of(change.id, ground.url()), change, &scene, &ran).await;
    });
    join_all(cases).await;
}

/// The commit is sent and no connection gets an answer.
async fn cable_pulled(kind: Kind) {
    let cases = [Where::BeforeServer, Where::AfterServer].map(async |held| {
        let ground = Ground::with_table(kind).await;
        let valve = HoldingProxy::cable("=COMMIT", held);
        let through = valve.url(ground.url()).await;
        let driver = Start::of("shared", &through).lock(600, 2_000).spawn();
        valve.closed().await;
        let began = Instant::now();
        let ran = end_of(driver).await;
        let result = ran.result.as_deref();
        assert!(
            matches!(result, Some("LeaseLost" | "InDoubt")),
            "{}",
            ran.output
        );
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{:?}",
            began.elapsed()
        );
        // Data that is still in the cable arrives late.
        valve.open();
        let scene = Scene::of(ground.url(), ground.url());
        recovers(Start::of("shared", ground.url()), SHARED, &scene, &ran).await;
    });
    join_all(cases).await;
}

/// Runs while the connection with the text is cut, with a database that is reachable again at once.
pub(crate) async fn cut_at(
    text: &str,
    held: Where,
    start: impl AsyncFnOnce(&HoldingProxy) -> Start,
) -> Ran {
    let valve = HoldingProxy::at(text, held);
    let driver = start(&valve).await.lock(5_000, 15_000).spawn();
    valve.closed().await;
    valve.cut();
    end_of(driver).await
}

async fn commit_cut(kind: Kind) {
    for (held, result) in [
        (Where::BeforeServer, "ChangesFailed"),
        (Where::AfterServer, "ok"),
    ] {
        let ground = Ground::with_table(kind).await;
        let start =
            async |valve: &HoldingProxy| Start::of("shared", &valve.url(ground.url()).await);
        let ran = cut_at("=COMMIT", held, start).await;
        ran.expect(result);
        let expected: &[&str] = match held {
            Where::BeforeServer => &["shared|FAILED", "shared|ROLLED_BACK"],
            Where::AfterServer => &["shared|APPLIED"],
        };
        assert_eq!(states(ground.url()).await, expected);
        let scene = Scene::of(ground.url(), ground.url());
        recovers(Start::of("shared", ground.url()), SHARED, &scene, &ran).await;
    }
}

async fn atomic_commit_cut(kind: Kind) {
    const CHANGES: &str = "together,beside";
    for (held, result) in [
        (Where::BeforeServer, "ChangesFailed"),
        (Where::AfterServer, "ok"),
    ] {
        let ground = Ground::with_table(kind).await;
        let start = async |valve: &HoldingProxy| Start::of(CHANGES, &valve.url(ground.url()).await);
        let ran = cut_at("=COMMIT", held, start).await;
        ran.expect(result);
        let expected: &[&str] = match held {
            Where::BeforeServer => &[
                "together|ROLLED_BACK",
                "beside|FAILED",
                "beside|ROLLED_BACK",
            ],
            Where::AfterServer => &["together|APPLIED", "beside|APPLIED"],
        };
        assert_eq!(states(ground.url()).await, expected);
        let scene = Scene::of(ground.url(), ground.url());
        for change in [TOGETHER, BESIDE] {
            recovers(Start::of(CHANGES, ground.url()), change, &scene, &ran).await;
        }
    }
}

/// The audit is on the other kind of server, and its connections are not cut.
async fn separate_commit_cut(target: Kind) {
    let audit = if target == Kind::Postgres {
        Kind::MariaDb
    } else {
        Kind::Postgres
    };
    for (held, result) in [
        (Where::BeforeServer, "ChangesFailed"),
        (Where::AfterServer, "ok"),
    ] {
        let (ground, other) = (
            Ground::with_table(audit).await,
            Ground::with_table(target).await,
        );
        let start = Start::of("separate", ground.url());
        let through = async |valve: &HoldingProxy| {
            start.clone().with("--target", valve.url(other.url()).await)
        };
        let ran = cut_at("=COMMIT", held, through).await;
        ran.expect(result);
        let scene = Scene::of(ground.url(), other.url());
        recovers(
            start.clone().with("--target", other.url()),
            SEPARATE,
            &scene,
            &ran,
        )
        .await;
    }
}

/// The state of an entry as it appears in the statement that writes it.
pub(crate) fn as_sent(kind: Kind, state: &str) -> String {
    match kind {
        Kind::MariaDb => state.bytes().map(|byte| format!("{byte:02x}")).collect(),
        // Statements that read entries have no escapes.
        Kind::Postgres => format!("E'{state}'"),
        Kind::Sqlite => format!("'{state}'"),
    }
}

/// The entries of a non-transactional change, each cut off before and after the server has received
/// it.
async fn entry_cut(kind: Kind) {
    let cases = [
        (PLAIN, "STARTED", "ChangesFailed"),
        (PLAIN, "APPLIED", "ok"),
        (UNDONE, "FAILED", "ChangesFailed"),
        (UNDONE, "ROLLED_BACK", "ChangesFailed"),
    ];
    for (change, state, result) in cases {
        for held in [Where::BeforeServer, Where::AfterServer] {
            let ground = Ground::with_table(kind).await;
            let start =
                async |valve: &HoldingProxy| Start::of(change.id, &valve.url(ground.url()).await);
            let ran = cut_at(&as_sent(kind, state), held, start).await;
            let told = format!("{state} {held:?}\n{}", ran.output);
            let written = states(ground.url()).await;
            let times = |state: &str| {
                let row = format!("{}|{state}", change.id);
                written.iter().filter(|written| **written == row).count()
            };
            for state in ["STARTED", "APPLIED", "FAILED", "ROLLED_BACK"] {
                assert!(
                    times(state) <= 1,
                    "{state} is written twice: {written:?} {told}"
                );
            }
            // A start entry that may be recorded without an answer: the change did not run, and the
            // error says so, or it ran.
            let result = if state == "STARTED" && times("APPLIED") == 1 {
                "ok"
            } else {
                result
            };
            assert_eq!(ran.result.as_deref(), Some(result), "{told}");
            let scene = Scene::of(ground.url(), ground.url());
            recovers(Start::of(change.id, ground.url()), change, &scene, &ran).await;
        }
    }
}

/// The run ends in time with the driver's error, and succeeds once the server answers again.
async fn unanswered(kind: Kind, limit: Duration, cut: impl AsyncFnOnce(&Proxy)) {
    let ground = Ground::with_table(kind).await;
    let proxy = Proxy::in_front_of(ground.url()).unwrap();
    let start = Start::of("shared", &proxy.url(ground.url())).lock(5_000, 3_000);
    cut(&proxy).await;
    let began = Instant::now();
    start.run().await.expect("Store");
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    proxy.pass().unwrap();
    start.run().await.expect("ok");
}

/// Connections are refused: the run ends within its wait.
async fn refused(kind: Kind) {
    unanswered(kind, Duration::from_secs(8), Proxy::refuse).await;
}

/// Connections are accepted, and never answered.
async fn silent(kind: Kind) {
    let limit = Duration::from_secs(45);
    unanswered(kind, limit, async |proxy: &Proxy| proxy.blackhole()).await;
}
