//! A process is killed at every point of a change that fails outside a transaction and whose
//! rollback runs in a transaction of another database than the audit's: the marker there shows the
//! next run whether the rollback was committed.

use futures_util::StreamExt;

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::killing_proxy::{KillingProxy, Side};
use super::network::as_sent;
use super::oracle::{Found, Scene, UNDONE_THERE};
use super::start::{Ran, Start, end_of};

/// The number of points of a kind at the same time.
const AT_ONCE: usize = 2;

/// The lease of the process that is killed at any point, in milliseconds.
const LEASE: u32 = 1_500;

/// The lease of a process that must reach a point with the lock.
const LONG_LEASE: u32 = 5_000;

/// A database of this kind with the audit, and the one in which the change runs.
struct Place {
    audit: Ground,
    target: Ground,
}

impl Place {
    async fn of(audit: Kind, target: Kind) -> Place {
        Place {
            audit: Ground::with_table(audit).await,
            target: Ground::with_table(target).await,
        }
    }

    fn start(&self, audit: &str, target: &str) -> Start {
        let start = Start::of("undone-there", audit).with("--target", target);
        let _ = self;
        start.lock(5_000, 15_000)
    }

    fn again(&self) -> Start {
        self.start(self.audit.url(), self.target.url())
    }

    async fn look(&self) -> Found {
        let scene = Scene::of(self.audit.url(), self.target.url());
        UNDONE_THERE.look(&scene).await
    }
}

/// The rollback is committed, and the process dies before that is recorded.
async fn dies_before_it_is_recorded(audit: Kind, target: Kind) {
    let place = Place::of(audit, target).await;
    let valve = HoldingProxy::at(&as_sent(audit, "ROLLED_BACK"), Where::BeforeServer);
    let through = valve.url(place.audit.url()).await;
    let first = place.start(&through, place.target.url());
    let first = first.lock(LONG_LEASE, 5_000);
    let mut first = first.spawn();
    valve.closed().await;
    first.kill().unwrap();
    end_of(first).await;
    let left = place.look().await;
    assert_eq!(left.states, ["STARTED", "FAILED"]);
    assert_eq!(left.times, [0]);
    // No manual resolution is required, because the outcome is known.
    let listed = place.again().with("--issues", "list").run().await;
    assert!(!listed.output.contains("issue undone-there"), "{listed:?}");
    let resolved = place.again().with("--resolve", "undone-there").run().await;
    resolved
        .expect("Invalid")
        .says("known at its target system");
    let second = place.again().run().await;
    second.expect("ChangesFailed");
    let found = place.look().await;
    let expected = [
        "STARTED",
        "FAILED",
        "ROLLED_BACK",
        "STARTED",
        "FAILED",
        "ROLLED_BACK",
    ];
    assert_eq!(found.states, expected, "{}", second.output);
    assert_eq!(found.times, [0]);
    let attempts = "SELECT attempt FROM flamingock_audit WHERE state = 'ROLLED_BACK' ORDER BY seq";
    assert_eq!(rows(place.audit.url(), attempts).await, ["1", "2"]);
    let markers = "SELECT kind FROM flamingock_marker";
    assert!(rows(place.target.url(), markers).await.is_empty());
}

/// The process dies in the middle of the rollback, which therefore has no effect.
async fn dies_in_the_rollback(audit: Kind, target: Kind) {
    let place = Place::of(audit, target).await;
    let first = place.again().lock(LONG_LEASE, 5_000);
    let mut first = first.spawn_stuck("no undone-there 1").await;
    first.kill().unwrap();
    end_of(first).await;
    for nth in 1..=2 {
        let next = place.again().run().await;
        next.expect("Issues").says("failed and was not rolled back");
        let found = place.look().await;
        assert_eq!(found.states, ["STARTED", "FAILED", "FAILED"], "run {nth}");
        assert_eq!(found.times, [1], "run {nth}");
        let listed = place.again().with("--issues", "list").run().await;
        listed.says("issue undone-there: a non-transactional attempt failed");
    }
    let resolved = place.again().with("--resolve", "undone-there").run().await;
    resolved.expect("ok");
    place.again().run().await.expect("ok");
    assert_eq!(place.look().await.times, [1]);
}

/// The point at which a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    Event(usize),
    Message(Side, usize),
}

async fn passing(toll: &KillingProxy, kind: Kind, url: &str) -> String {
    if kind.is_server() {
        toll.url(url).await
    } else {
        url.to_owned()
    }
}

/// Kills a run at the point, and checks the result of the next one. Returns false if the run
/// completed.
async fn killed(audit: Kind, target: Kind, point: Point) -> bool {
    let place = Place::of(audit, target).await;
    let (audit_url, target_url) = (place.audit.url(), place.target.url());
    let first = match point {
        Point::Event(nth) => {
            let start = place.start(audit_url, target_url).lock(LEASE, 10_000);
            end_of(start.with("--die-at", nth).spawn()).await
        }
        Point::Message(side, nth) => {
            let toll = KillingProxy::new(side, nth);
            let through = passing(&toll, audit, audit_url).await;
            let there = passing(&toll, target, target_url).await;
            let driver = place.start(&through, &there).lock(LEASE, 10_000).spawn();
            toll.of(driver.pid());
            end_of(driver).await
        }
    };
    let second = place.again().run().await;
    let found = place.look().await;
    let what = format!(
        "{audit:?} -> {target:?}, {point:?}: {found:?}, after\n{}\n{}",
        first.output, second.output
    );
    judge(&found, &second, &what);
    // On a busy machine it may have lost its lease, too.
    first.result.as_deref() != Some("ChangesFailed")
}

/// It is rolled back and recorded so; or it is an issue, and the effects of the change remain.
fn judge(found: &Found, second: &Ran, what: &str) {
    let latest = found.states.last().map(String::as_str);
    match (second.result.as_deref(), latest) {
        (Some("ChangesFailed"), Some("ROLLED_BACK")) => assert_eq!(found.times, [0], "{what}"),
        (Some("Issues"), Some("STARTED")) => assert!(found.times[0] <= 1, "{what}"),
        (Some("Issues"), Some("FAILED")) => assert_eq!(found.times, [1], "{what}"),
        _ => panic!("{what}"),
    }
}

async fn at_every_point(audit: Kind, target: Kind) {
    // A share of them, the same in every run.
    let apart = if flamingock_time::is_extra() { 1 } else { 16 };
    let every = async |point: &dyn Fn(usize) -> Point| {
        futures_util::stream::iter((1..).step_by(apart))
            .map(|nth| killed(audit, target, point(nth)))
            .buffered(AT_ONCE)
            .take_while(|killed| std::future::ready(*killed))
            .count()
            .await
    };
    let told = every(&Point::Event);
    let sent = every(&|nth| Point::Message(Side::Client, nth));
    let answered = every(&|nth| Point::Message(Side::Server, nth));
    let (told, sent, answered) = tokio::join!(told, sent, answered);
    assert!(told > 0 && sent > 0 && answered > 0, "no point was tried");
    println!("rollback elsewhere: {audit:?} -> {target:?}: {told}, {sent}, {answered}");
}

macro_rules! on_each {
    ($($module:ident: $audit:ident -> $target:ident;)+) => {$(
        mod $module {
            use super::*;

            #[tokio::test]
            async fn committed_rollback_is_found_in_its_target_after_a_crash() {
                dies_before_it_is_recorded(Kind::$audit, Kind::$target).await;
            }

            #[tokio::test]
            async fn interrupted_rollback_is_an_issue() {
                dies_in_the_rollback(Kind::$audit, Kind::$target).await;
            }

            #[tokio::test]
            async fn rollback_is_recorded_correctly_wherever_the_process_dies() {
                at_every_point(Kind::$audit, Kind::$target).await;
            }
        }
    )+};
}

on_each! {
    postgres_to_mariadb: Postgres -> MariaDb;
    postgres_to_sqlite: Postgres -> Sqlite;
    mariadb_to_postgres: MariaDb -> Postgres;
}
