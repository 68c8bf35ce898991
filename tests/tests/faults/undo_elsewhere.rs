//! A process is killed at every point of an undo in a separate transaction: the marker in its
//! target shows the next undo, and the next run, whether it was committed. No manual resolution is
//! required.

use futures_util::StreamExt;

use super::common::{self, Common};
use super::ground::Kind;
use super::killing_proxy::{KillingProxy, Side};
use super::oracle::{Expected, Found, Promise};
use super::start::{Ran, end_of};

/// The number of points of a kind at the same time.
const AT_ONCE: usize = 3;

/// The lease of the process that is killed, in milliseconds.
const LEASE: u32 = 600;

const KEPT_THERE: Expected = Expected {
    id: "kept-there",
    steps: &["1", "2"],
    promise: Promise::Once,
};

/// The point at which a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    Event(usize),
    Message(Side, usize),
}

impl Point {
    /// Either the undo or the run comes next, by turns.
    fn is_followed_by_a_run(self) -> bool {
        match self {
            Point::Event(nth) | Point::Message(_, nth) => nth % 2 == 0,
        }
    }

    fn name(self) -> String {
        match self {
            Point::Event(nth) => format!("t{nth}"),
            Point::Message(Side::Client, nth) => format!("c{nth}"),
            Point::Message(Side::Server, nth) => format!("s{nth}"),
        }
    }
}

/// The databases of the audit and of the change.
struct Place {
    kinds: [Kind; 2],
    audit: Common,
    target: Common,
}

impl Place {
    /// Kills an undo at the point, and checks the results of the next ones. Returns false if the
    /// undo completed.
    async fn killed(&self, point: Point) -> bool {
        let (audit, target) = (self.audit.spot().await, self.target.spot().await);
        let name = point.name();
        let scene = common::scene(&audit, &target, &name);
        let start = |audit: &str, target: &str| {
            let start = common::start("kept-there", audit, &name).with("--target", target);
            start.lock(5_000, 15_000)
        };
        let again = || start(audit.url(), target.url());
        again().run().await.expect("ok");

        let toll = match point {
            Point::Event(_) => None,
            Point::Message(side, nth) => Some(KillingProxy::new(side, nth)),
        };
        let (through, there) = (
            passing(toll.as_ref(), self.kinds[0], audit.url()).await,
            passing(toll.as_ref(), self.kinds[1], target.url()).await,
        );
        let undo = start(&through, &there)
            .lock(LEASE, 10_000)
            .with("--undo", 1);
        let driver = match point {
            Point::Event(nth) => undo.with("--die-at", nth).spawn(),
            Point::Message(..) => undo.spawn(),
        };
        if let Some(toll) = toll {
            toll.of(driver.pid());
        }
        let first = end_of(driver).await;
        let next = || match point.is_followed_by_a_run() {
            true => again(),
            false => again().with("--undo", 1),
        };
        let mut second = next().run().await;
        let mut found = KEPT_THERE.look(&scene).await;
        if found.states.last().is_some_and(|state| state == "STARTED") {
            // The last message of the killed process reached the server after that run had checked.
            second = next().run().await;
            found = KEPT_THERE.look(&scene).await;
        }
        let what = format!("{:?}, {point:?}", self.kinds);
        let what = format!(
            "{what}: {found:?}, after\n{}\n{}",
            first.output, second.output
        );
        judge(point, &found, &second, &what);
        // From every point, the next undo and the next run succeed.
        if matches!(point, Point::Event(nth) if nth % 4 < 2) {
            let undo = again().with("--undo", 1).run().await;
            undo.expect_after("ok", &what);
            let undone = KEPT_THERE.look(&scene).await;
            assert_eq!(undone.times, [0, 0], "{undone:?}, {what}");
            again().run().await.expect_after("ok", &what);
            let applied = KEPT_THERE.look(&scene).await;
            assert_eq!(applied.times, [1, 1], "{applied:?}, {what}");
        }
        // On a busy machine it may have lost its lease, too.
        first.result.as_deref() != Some("ok")
    }

    async fn every(&self, point: impl Fn(usize) -> Point) -> usize {
        futures_util::stream::iter(1..)
            .map(|nth| self.killed(point(nth)))
            .buffered(AT_ONCE)
            .take_while(|killed| std::future::ready(*killed))
            .count()
            .await
    }
}

/// The change is intact and applied, or fully reversed and rolled back.
fn judge(point: Point, found: &Found, second: &Ran, what: &str) {
    let latest = found.states.last().map(String::as_str);
    if !point.is_followed_by_a_run() {
        second.expect_after("ok", what);
        assert_eq!(
            (latest, &*found.times),
            (Some("ROLLED_BACK"), &[0, 0][..]),
            "{what}"
        );
        return;
    }
    match latest {
        // The undo was not committed, or it was recorded and the change is applied again.
        Some("APPLIED") => {
            second.expect_after("ok", what);
            assert_eq!(found.times, [1, 1], "{what}");
        }
        Some("ROLLED_BACK") => {
            second.expect_after("ChangesFailed", what);
            assert_eq!(found.times, [0, 0], "{what}");
            second.says("turned out to be complete");
        }
        _ => panic!("{what}"),
    }
}

async fn passing(toll: Option<&KillingProxy>, kind: Kind, url: &str) -> String {
    match toll {
        Some(toll) if kind.is_server() => toll.url(url).await,
        _ => url.to_owned(),
    }
}

async fn at_every_point(audit: Kind, target: Kind) {
    let place = Place {
        kinds: [audit, target],
        audit: Common::of(audit).await,
        target: Common::of(target).await,
    };
    let told = place.every(Point::Event);
    let sent = place.every(|nth| Point::Message(Side::Client, nth));
    let answered = place.every(|nth| Point::Message(Side::Server, nth));
    let (told, sent, answered) = tokio::join!(told, sent, answered);
    assert!(told > 0 && sent > 0 && answered > 0, "no point was tried");
    println!(
        "undo elsewhere: {audit:?} -> {target:?}: {told} events, {sent} sent, {answered} answered"
    );
}

macro_rules! on_each {
    ($($name:ident: $audit:ident -> $target:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            at_every_point(Kind::$audit, Kind::$target).await;
        }
    )+};
}

on_each! {
    postgres_to_mariadb_undo_is_done_once: Postgres -> MariaDb;
    postgres_to_sqlite_undo_is_done_once: Postgres -> Sqlite;
    mariadb_to_postgres_undo_is_done_once: MariaDb -> Postgres;
    sqlite_to_postgres_undo_is_done_once: Sqlite -> Postgres;
}
