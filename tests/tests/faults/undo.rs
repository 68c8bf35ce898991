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

/// The states of a change, oldest first, and the number of its traces.
async fn look(url: &str, name: &str, id: &str) -> (Vec<String>, usize) {
    let states = format!(
        "SELECT state FROM flamingock_audit WHERE service = '{name}' AND change_id = '{id}' ORDER BY seq"
    );
    let left = format!("SELECT what FROM done WHERE what LIKE '{name} {id} %'");
    (
        ground::look(url, &states).await,
        ground::look(url, &left).await.len(),
    )
}

/// Kills an undo at the point, and checks the results of the next ones. Returns false if the undo
/// completed.
async fn killed(grounds: &Common, change: &'static str, point: Point) -> bool {
    let spot = grounds.spot().await;
    let name = match point {
        Point::Event(nth) => format!("t{nth}"),
        Point::Message(Side::Client, nth) => format!("c{nth}"),
        Point::Message(Side::Server, nth) => format!("s{nth}"),
    };
    let start = |url: &str| common::start(change, url, &name).lock(5_000, 10_000);
    start(spot.url()).run().await.expect("ok");
    let (_, all) = look(spot.url(), &name, change).await;

    let toll = match point {
        Point::Event(_) => None,
        Point::Message(side, nth) => Some(KillingProxy::new(side, nth)),
    };
    let url = match &toll {
        Some(toll) => toll.url(spot.url()).await,
        None => spot.url().to_owned(),
    };
    let undo = start(&url).lock(400, 10_000).with("--undo", 1);
    let driver = match point {
        Point::Event(nth) => undo.with("--die-at", nth).spawn(),
        Point::Message(..) => undo.spawn(),
    };
    if let Some(toll) = toll {
        toll.of(driver.pid());
    }
    let first = end_of(driver).await;
    let second = start(spot.url()).with("--undo", 1).run().await;
    let (states, left) = look(spot.url(), &name, change).await;
    let what = format!(
        "{grounds:?} {point:?} {states:?} {left}\n{}\n{}",
        first.output, second.output
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
            let next = start(spot.url()).run().await;
            next.expect_after("Issues", &what);
            next.says("\"steps\" needs manual resolution");
        }
        _ => panic!("{what}"),
    }
    first.result.is_none()
}

async fn at_every_point(kind: Kind, change: &'static str) {
    let grounds = Common::of(kind).await;
    let every = async |point: fn(usize) -> Point| {
        futures_util::stream::iter(1..)
            .map(|nth| killed(&grounds, change, point(nth)))
            .buffered(AT_ONCE)
            .take_while(|killed| std::future::ready(*killed))
            .count()
            .await
    };
    let told = every(Point::Event);
    let (told, sent, answered) = if kind.is_server() {
        let sent = every(|nth| Point::Message(Side::Client, nth));
        let answered = every(|nth| Point::Message(Side::Server, nth));
        let (told, sent, answered) = tokio::join!(told, sent, answered);
        assert!(sent > 0 && answered > 0, "no message was a point");
        (told, sent, answered)
    } else {
        (told.await, 0, 0)
    };
    assert!(told > 0, "no point was tried");
    println!("undo of {change}: {kind:?}: {told} events, {sent} sent, {answered} answered");
}

macro_rules! on_each {
    ($($name:ident: $kind:ident, $change:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            at_every_point(Kind::$kind, $change).await;
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
}
