//! A process is killed at every point of an undo, and what it has left is undone.

use futures_util::StreamExt;

use super::ground::{Ground, Kind, rows};
use super::start::{Start, end_of};
use super::toll::{Side, Toll};

const AT_ONCE: usize = 6;

/// Where a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    Told(usize),
    Message(Side, usize),
}

/// The states of a change, oldest first, and how many traces it has left.
async fn look(ground: &Ground, id: &str) -> (Vec<String>, usize) {
    let states =
        format!("SELECT state FROM flamingock_audit WHERE change_id = '{id}' ORDER BY seq");
    let left = format!("SELECT what FROM done WHERE what LIKE 't {id} %'");
    (
        rows(ground.url(), &states).await,
        rows(ground.url(), &left).await.len(),
    )
}

/// Kills an undo at the point, and looks what the next ones make of it. False: it came to its end.
async fn killed(kind: Kind, change: &'static str, point: Point) -> bool {
    let ground = Ground::with_table(kind).await;
    let start = |url: &str| Start::of(change, url).lock(5_000, 10_000);
    start(ground.url()).run().await.expect("ok");
    let (_, all) = look(&ground, change).await;

    let toll = match point {
        Point::Told(_) => None,
        Point::Message(side, nth) => Some(Toll::new(side, nth)),
    };
    let url = match &toll {
        Some(toll) => toll.url(ground.url()).await,
        None => ground.url().to_owned(),
    };
    let undo = Start::of(change, &url).lock(400, 10_000).with("--undo", 1);
    let driver = match point {
        Point::Told(nth) => undo.with("--die-at", nth).spawn(),
        Point::Message(..) => undo.spawn(),
    };
    if let Some(toll) = toll {
        toll.of(driver.pid());
    }
    let first = end_of(driver).await;
    let second = start(ground.url()).with("--undo", 1).run().await;
    let (states, left) = look(&ground, change).await;
    let what = format!(
        "{kind:?} {point:?} {states:?} {left}\n{}\n{}",
        first.output, second.output
    );
    let times = |state: &str| states.iter().filter(|one| *one == state).count();
    assert!(times("APPLIED") == 1 && times("ROLLED_BACK") <= 1, "{what}");
    match states.last().map(String::as_str) {
        Some("ROLLED_BACK") => {
            second.expect_after("ok", &what);
            assert_eq!(left, 0, "{what}");
        }
        // Between two steps, or before the entry that says that it is done.
        Some("STARTED") if change == "steps" => {
            assert!(left <= all, "{what}");
            let next = start(ground.url()).run().await;
            next.expect_after("Issues", &what);
            next.says("\"steps\" needs manual resolution");
        }
        _ => panic!("{what}"),
    }
    first.result.is_none()
}

async fn at_every_point(kind: Kind, change: &'static str) {
    let every = async |point: fn(usize) -> Point| {
        futures_util::stream::iter(1..)
            .map(|nth| killed(kind, change, point(nth)))
            .buffered(AT_ONCE)
            .take_while(|killed| std::future::ready(*killed))
            .count()
            .await
    };
    let told = every(Point::Told).await;
    assert!(told > 0, "no point was tried");
    let (mut sent, mut answered) = (0, 0);
    if kind.is_server() {
        sent = every(|nth| Point::Message(Side::Client, nth)).await;
        answered = every(|nth| Point::Message(Side::Server, nth)).await;
        assert!(sent > 0 && answered > 0, "no message was a point");
    }
    println!("undo of {change}: {kind:?}: {told} told, {sent} sent, {answered} answered");
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
