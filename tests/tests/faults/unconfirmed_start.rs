//! The answer to the entry that records the start of an attempt is lost, and the database stays
//! unreachable for longer than a run waits: nothing ran, and there is no issue.

use std::time::Duration;

use flamingock_tests::Proxy;

use super::ground::{Ground, Kind, rows};
use super::network::as_sent;
use super::start::{Start, end_of};

/// The wait of the run for its database, in milliseconds.
const WAIT: u32 = 8_000;

/// Longer than the wait for the answer, and shorter than the wait for recording the outcome.
const AWAY: Duration = Duration::from_secs(11);

/// An attempt whose start is not confirmed.
struct Case {
    change: &'static str,
    undoes: bool,
    /// A text that only this entry contains.
    says: &'static str,
}

const CASES: [Case; 6] = [
    Case {
        change: "plain",
        undoes: false,
        says: "STARTED",
    },
    Case {
        change: "steps",
        undoes: true,
        says: "undoing step 3 of 3",
    },
    Case {
        change: "kept-there",
        undoes: false,
        says: "STARTED",
    },
    Case {
        change: "kept-there",
        undoes: true,
        says: "STARTED",
    },
    // An earlier run has committed batches, which stay.
    Case {
        change: "batches",
        undoes: false,
        says: "STARTED",
    },
    Case {
        change: "batches-there",
        undoes: false,
        says: "STARTED",
    },
];

/// Two of three batches, by a process that is killed in the third one.
async fn commit_two_batches(ground: &Ground, other: &Ground, id: &str) {
    let owner = Start::of(id, ground.url()).with("--target", other.url());
    let point = format!("{id} 3");
    let mut owner = owner.lock(400, 10_000).spawn_stuck(&point).await;
    owner.kill().unwrap();
    end_of(owner).await;
}

async fn latest(ground: &Ground, id: &str) -> Option<String> {
    let text = format!("SELECT state FROM flamingock_audit WHERE change_id = '{id}' ORDER BY seq");
    rows(ground.url(), &text).await.pop()
}

async fn left(ground: &Ground, id: &str) -> usize {
    let text = format!("SELECT what FROM done WHERE what LIKE 't {id} %'");
    rows(ground.url(), &text).await.len()
}

async fn lost(kind: Kind, case: &Case) {
    let Case { change, undoes, .. } = *case;
    let what = format!("{kind:?}, {change}, undo: {undoes}");
    let ground = Ground::with_table(kind).await;
    // The other database is the reachable one.
    let other = Ground::with_table(Kind::Sqlite).await;
    let in_batches = change.starts_with("batches");
    let elsewhere = if change.ends_with("-there") {
        &other
    } else {
        &ground
    };
    let start = |url: &str| {
        let start = Start::of(change, url).with("--target", other.url());
        start.lock(30_000, WAIT)
    };
    // The tables exist, and for an undo also the change to undo.
    let first = if undoes { change } else { "last" };
    let made = Start::of(first, ground.url()).with("--target", other.url());
    made.lock(5_000, 10_000).run().await.expect("ok");
    if in_batches {
        commit_two_batches(&ground, &other, change).await;
        assert_eq!(left(elsewhere, change).await, 2, "{what}");
    }
    let before = left(elsewhere, change).await;

    let proxy = Proxy::in_front_of(ground.url()).unwrap();
    proxy.hold_after(&as_sent(kind, case.says), 1);
    let start = start(&proxy.url(ground.url()));
    let driver = match undoes {
        true => start.clone().with("--undo", 1).spawn(),
        false => start.spawn(),
    };
    proxy.held().await;
    proxy.refuse().await;
    proxy.reset();
    // The proxy opens after the run has given up.
    tokio::time::sleep(AWAY).await;
    proxy.pass().unwrap();
    let ran = end_of(driver).await;
    ran.expect_after("ChangesFailed", &what);
    ran.says("did not run: its start could not be recorded");
    assert_eq!(left(elsewhere, change).await, before, "{what}");
    let stands = match (undoes, in_batches) {
        (true, _) => "APPLIED",
        (false, false) => "ROLLED_BACK",
        (false, true) => "FAILED",
    };
    assert_eq!(
        latest(&ground, change).await.as_deref(),
        Some(stands),
        "{what}"
    );

    // The next run has nothing to resolve, and the change is applied once.
    let next = Start::of(change, ground.url()).with("--target", other.url());
    let next = next.lock(5_000, 10_000);
    next.run().await.expect_after("ok", &what);
    let all = left(elsewhere, change).await;
    assert!(if in_batches { all == 3 } else { all > 0 }, "{what}: {all}");
    if undoes {
        let undo = next.with("--undo", 1).run().await;
        undo.expect_after("ok", &what);
        assert_eq!(left(elsewhere, change).await, 0, "{what}");
    }
}

async fn never_ran(kind: Kind) {
    let cases = CASES.iter().map(|case| lost(kind, case));
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn postgres_attempt_with_an_unconfirmed_start_never_ran() {
    never_ran(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_attempt_with_an_unconfirmed_start_never_ran() {
    never_ran(Kind::MariaDb).await;
}
