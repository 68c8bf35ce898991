//! An entry whose connection was lost arrives late, when its run has written it again and
//! continued. The audit must not say of an attempt that has ended that it has started, or failed.

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::network::as_sent;
use super::oracle::SEPARATE;
use super::start::{DEADLINE, Start, end_of};

/// The latest states of a change, and the entry that arrived late.
struct Case {
    change: &'static str,
    late: &'static str,
    result: &'static str,
    latest: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        change: "separate",
        late: "STARTED",
        result: "ok",
        latest: "APPLIED",
    },
    Case {
        change: "plain",
        late: "STARTED",
        result: "ok",
        latest: "APPLIED",
    },
    Case {
        change: "again",
        late: "STARTED",
        result: "ok",
        latest: "APPLIED",
    },
    Case {
        change: "undone",
        late: "FAILED",
        result: "ChangesFailed",
        latest: "ROLLED_BACK",
    },
];

async fn entry_comes_late(kind: Kind) {
    let target = if kind == Kind::Postgres {
        Kind::MariaDb
    } else {
        Kind::Postgres
    };
    let cases = CASES.iter().map(async |case| {
        let ground = Ground::with_table(kind).await;
        let other = Ground::with_table(target).await;
        let valve = HoldingProxy::at(&as_sent(kind, case.late), Where::BeforeServer);
        let through = valve.url(ground.url()).await;
        let folder = tempfile::tempdir().unwrap();
        let start = |url: &str, changes: &str| {
            Start::of(changes, url)
                .with("--target", other.url())
                .lock(5_000, 15_000)
        };
        // The run is in another stage when it arrives.
        let changes = format!("{},together", case.change);
        let first = start(&through, &changes).holding("together 0", &folder.path().join("go"));
        let mut first = first.spawn();
        valve.closed().await;
        valve.sever();
        first.line("at together 0", DEADLINE).await.unwrap();
        valve.deliver().await;
        std::fs::write(folder.path().join("go"), "").unwrap();
        let first = end_of(first).await;
        first.expect(case.result);

        let states = format!(
            "SELECT state FROM flamingock_audit WHERE change_id = '{}' ORDER BY seq",
            case.change
        );
        let states = rows(ground.url(), &states).await;
        let what = format!("{kind:?} {} {}: {states:?}", case.change, case.late);
        assert_eq!(
            states.last().map(String::as_str),
            Some(case.latest),
            "{what}"
        );
        assert_eq!(
            states.iter().filter(|one| *one == case.late).count(),
            1,
            "{what}"
        );
        // The next deployment reads it.
        let changes = format!("{changes},beside");
        let second = start(ground.url(), &changes).run().await;
        second.expect_after(case.result, &what);
        if case.change == SEPARATE.id {
            let done = rows(other.url(), "SELECT what FROM done ORDER BY what").await;
            assert_eq!(done, ["t separate 1", "t separate 2"], "{what}");
        }
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn postgres_entry_that_comes_late_is_refused() {
    entry_comes_late(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_entry_that_comes_late_is_refused() {
    entry_comes_late(Kind::MariaDb).await;
}
