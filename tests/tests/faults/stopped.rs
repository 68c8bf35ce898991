//! A run is stopped, is dropped, or ends with its runtime, at every point one after the other: with
//! an atomic stage, and with two stages side by side.

use futures_util::StreamExt;

use super::common::{self, Common};
use super::ground::Kind;
use super::oracle::{BESIDE, Expected, LAST, SHARED, TOGETHER};
use super::start::Ran;

/// The number of points at the same time, for each way.
const AT_ONCE: usize = 2;

const ATOMIC: &[Expected] = &[TOGETHER, BESIDE];

/// The default stage, next to an atomic one.
const SIDE_BY_SIDE: &[Expected] = &[SHARED, TOGETHER, BESIDE, LAST];

/// Stops at the point and runs again. Returns false if the run ended earlier.
async fn stopped(grounds: &Common, how: &str, nth: usize, changes: &[Expected]) -> bool {
    let spot = grounds.spot().await;
    let point = format!("{}{nth}", &how[2..]);
    let scene = common::scene(&spot, &spot, &point);
    let names: Vec<&str> = changes.iter().map(|change| change.id).collect();
    let start = || {
        common::start(&names.join(","), spot.url(), &point)
            .with("--pool", 3)
            .with("--parallel", 2)
    };
    // A run that ends with its runtime releases nothing; after the others, the next run must not
    // wait for the lease.
    let lease = if how == "--leave-at" { 400 } else { 60_000 };
    let first = start().with(how, nth).lock(lease, 8_000).run().await;
    let second = start().lock(5_000, 8_000).run().await;
    let what = format!("{grounds:?} {how} {nth}, after\n{}", first.output);
    second.expect_after("ok", &what);
    for change in changes {
        let found = change.look(&scene).await;
        change.judge(&found, &second, &what);
    }
    assert!(!first.output.contains("panicked"), "{what}");
    was_stopped(&first, how)
}

fn was_stopped(first: &Ran, how: &str) -> bool {
    match (how, first.result.as_deref()) {
        ("--ask-at", Some("Cancelled" | "ChangesFailed")) => true,
        ("--drop-at", Some("ok")) | ("--leave-at", None) => first.output.contains("dropped"),
        (_, Some("ok")) => false,
        _ => panic!("{how}: {}", first.output),
    }
}

async fn at_every_point(kind: Kind, changes: &'static [Expected]) {
    let grounds = Common::of(kind).await;
    let each = ["--ask-at", "--drop-at", "--leave-at"].map(async |how| {
        let points = futures_util::stream::iter(1..)
            .map(|nth| stopped(&grounds, how, nth, changes))
            .buffered(AT_ONCE)
            .take_while(|stopped| std::future::ready(*stopped))
            .count()
            .await;
        assert!(points > 0, "no point was tried");
        println!("points: {kind:?} {how}: {points}");
    });
    futures_util::future::join_all(each).await;
}

macro_rules! on_each {
    ($($name:ident: $kind:ident, $changes:ident;)+) => {$(
        #[tokio::test]
        async fn $name() {
            at_every_point(Kind::$kind, $changes).await;
        }
    )+};
}

on_each! {
    sqlite_atomic_stage_that_is_stopped_is_applied_once: Sqlite, ATOMIC;
    postgres_atomic_stage_that_is_stopped_is_applied_once: Postgres, ATOMIC;
    mariadb_atomic_stage_that_is_stopped_is_applied_once: MariaDb, ATOMIC;
    sqlite_stages_side_by_side_that_are_stopped_are_applied_once: Sqlite, SIDE_BY_SIDE;
    postgres_stages_side_by_side_that_are_stopped_are_applied_once: Postgres, SIDE_BY_SIDE;
    mariadb_stages_side_by_side_that_are_stopped_are_applied_once: MariaDb, SIDE_BY_SIDE;
}
