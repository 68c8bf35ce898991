//! A process is killed at every point of an undo, and the next undo completes it.

use futures_util::StreamExt;

use super::common::{self, Common};
use super::ground::{self, Kind};
use super::killing_proxy::{KillingProxy, Side};
use super::start::end_of;

/// The number of points of a kind at the same time.
const AT_ONCE: usize = 3;

/// The point at which a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    Event(usize),
    Message(Side, usize),
}

/// The databases of the audit and of the change.
struct Place {
    kinds: [Kind; 2],
    audit: Common,
    /// That of the change, if it is another one.
    there: Option<Common>,
    change: &'static str,
}

/// The states of a change, oldest first, and the number of its traces at its target.
async fn look(url: &str, there: &str, name: &str, id: &str) -> (Vec<String>, usize) {
    let states = format!(
        "SELECT state FROM flamingock_audit WHERE service = '{name}' AND change_id = '{id}' ORDER BY seq"
    );
    let left = format!("SELECT what FROM done WHERE what LIKE '{name} {id} %'");
    (
        ground::look(url, &states).await,
        ground::look(there, &left).await.len(),
    )
}

impl Place {
    async fn of(audit: Kind, there: Option<Kind>, change: &'static str) -> Place {
        Place {
            kinds: [audit, there.unwrap_or(audit)],
            audit: Common::of(audit).await,
            there: match there {
                Some(kind) => Some(Common::of(kind).await),
                None => None,
            },
            change,
        }
    }

    /// Kills an undo at the point, and checks the results of the next ones. Returns false if the
    /// undo completed.
    async fn killed(&self, point: Point) -> bool {
        let audit = self.audit.spot().await;
        let there = match &self.there {
            Some(there) => Some(there.spot().await),
            None => None,
        };
        let target = there.as_ref().map_or(audit.url(), |there| there.url());
        let (change, is_elsewhere) = (self.change, there.is_some());
        let name = match point {
            Point::Event(nth) => format!("t{nth}"),
            Point::Message(Side::Client, nth) => format!("c{nth}"),
            Point::Message(Side::Server, nth) => format!("s{nth}"),
        };
        let start = |url: &str, target: &str| {
            let start = common::start(change, url, &name).lock(5_000, 10_000);
            match is_elsewhere {
                true => start.with("--target", target),
                false => start,
            }
        };
        let again = || start(audit.url(), target);
        again().run().await.expect("ok");
        let (_, all) = look(audit.url(), target, &name, change).await;

        let toll = match point {
            Point::Event(_) => None,
            Point::Message(side, nth) => Some(KillingProxy::new(side, nth)),
        };
        let (through, through_there) = (
            passing(toll.as_ref(), self.kinds[0], audit.url()).await,
            passing(toll.as_ref(), self.kinds[1], target).await,
        );
        let undo = start(&through, &through_there)
            .lock(400, 10_000)
            .with("--undo", 1);
        let driver = match point {
            Point::Event(nth) => undo.with("--die-at", nth).spawn(),
            Point::Message(..) => undo.spawn(),
        };
        if let Some(toll) = toll {
            toll.of(driver.pid());
        }
        let first = end_of(driver).await;
        let second = again().with("--undo", 1).run().await;
        let (states, left) = look(audit.url(), target, &name, change).await;
        let what = format!(
            "{:?} {point:?} {states:?} {left}\n{}\n{}",
            self.kinds, first.output, second.output
        );
        let times = |state: &str| states.iter().filter(|one| *one == state).count();
        assert!(times("APPLIED") == 1 && times("ROLLED_BACK") <= 1, "{what}");
        match states.last().map(String::as_str) {
            Some("ROLLED_BACK") => {
                second.expect_after("ok", &what);
                assert_eq!(left, 0, "{what}");
            }
            // Between two steps, or before the entry that records the end.
            Some("STARTED") if change == "steps" => {
                assert!(left <= all, "{what}");
                let next = again().run().await;
                next.expect_after("Issues", &what);
                next.says("\"steps\" needs manual resolution");
            }
            _ => panic!("{what}"),
        }
        if change.starts_with("reversible") {
            // Each batch of the rollback was committed once.
            let back = format!("{change}-back");
            let (_, back) = look(audit.url(), target, &name, &back).await;
            assert_eq!(back, 3, "{what}");
        }
        first.result.is_none()
    }
}

async fn passing(toll: Option<&KillingProxy>, kind: Kind, url: &str) -> String {
    match toll {
        Some(toll) if kind.is_server() => toll.url(url).await,
        _ => url.to_owned(),
    }
}

async fn at_every_point(audit: Kind, there: Option<Kind>, change: &'static str) {
    let place = Place::of(audit, there, change).await;
    let every = async |point: fn(usize) -> Point| {
        futures_util::stream::iter(1..)
            .map(|nth| place.killed(point(nth)))
            .buffered(AT_ONCE)
            .take_while(|killed| std::future::ready(*killed))
            .count()
            .await
    };
    let told = every(Point::Event);
    let has_messages = place.kinds.iter().any(|kind| kind.is_server());
    let (told, sent, answered) = if has_messages {
        let sent = every(|nth| Point::Message(Side::Client, nth));
        let answered = every(|nth| Point::Message(Side::Server, nth));
        let (told, sent, answered) = tokio::join!(told, sent, answered);
        assert!(sent > 0 && answered > 0, "no message was a point");
        (told, sent, answered)
    } else {
        (told.await, 0, 0)
    };
    assert!(told > 0, "no point was tried");
    let kinds = place.kinds;
    println!("undo of {change}: {kinds:?}: {told} events, {sent} sent, {answered} answered");
}

macro_rules! on_each {
    ($($name:ident: $kind:ident $(-> $there:ident)?, $change:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let there = None $(.or(Some(Kind::$there)))?;
            at_every_point(Kind::$kind, there, $change).await;
        }
    )+};
}

on_each! {
    sqlite_undo_of_a_shared_change_is_done_once: Sqlite, "kept";
    postgres_undo_of_a_shared_change_is_done_once: Postgres, "kept";
    mariadb_undo_of_a_shared_change_is_done_once: MariaDb, "kept";
    sqlite_undo_of_steps_is_done_or_an_issue: Sqlite, "steps";
    postgres_undo_of_steps_is_done_or_an_issue: Postgres, "steps";
    mariadb_undo_of_steps_is_done_or_an_issue: MariaDb, "steps";
    sqlite_undo_in_batches_is_continued: Sqlite, "reversible";
    postgres_undo_in_batches_is_continued: Postgres, "reversible";
    mariadb_undo_in_batches_is_continued: MariaDb, "reversible";
    postgres_to_mariadb_undo_in_batches_is_continued: Postgres -> MariaDb, "reversible-there";
    sqlite_to_postgres_undo_in_batches_is_continued: Sqlite -> Postgres, "reversible-there";
}
