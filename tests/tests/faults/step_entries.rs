//! The entry of a step is cut off. It equals the entry of the previous step, except for its reason.

use super::ground::{Ground, Kind, rows};
use super::holding_proxy::{HoldingProxy, Where};
use super::network::{as_sent, cut_at};
use super::start::Start;

/// The entries of a change of three steps, of which one is lost, or its answer.
struct Case {
    change: &'static str,
    /// The reason of the entry that is cut off.
    at: &'static str,
    result: &'static str,
    entries: &'static [&'static str],
}

const CASES: [Case; 3] = [
    Case {
        change: "steps",
        at: "step 2 of 3",
        result: "ok",
        entries: &[
            "STARTED|step 1 of 3",
            "STARTED|step 2 of 3",
            "STARTED|step 3 of 3",
            "APPLIED|-",
        ],
    },
    Case {
        change: "steps-back",
        at: "rolling back step 3 of 3",
        result: "ChangesFailed",
        entries: BACK,
    },
    Case {
        change: "steps-back",
        at: "rolling back step 2 of 3",
        result: "ChangesFailed",
        entries: BACK,
    },
];

const BACK: &[&str] = &[
    "STARTED|step 1 of 3",
    "STARTED|step 2 of 3",
    "STARTED|step 3 of 3",
    "FAILED|step 3 of 3",
    "FAILED|rolling back step 3 of 3",
    "FAILED|rolling back step 2 of 3",
    "FAILED|rolling back step 1 of 3",
    "ROLLED_BACK|-",
];

async fn every_step_is_on_record_once(kind: Kind) {
    for case in &CASES {
        for held in [Where::BeforeServer, Where::AfterServer] {
            let ground = Ground::with_table(kind).await;
            let start =
                async |valve: &HoldingProxy| Start::of(case.change, &valve.url(ground.url()).await);
            let ran = cut_at(&as_sent(kind, case.at), held, start).await;
            ran.expect(case.result);
            let told = rows(
                ground.url(),
                "SELECT state, coalesce(reason, '-') FROM flamingock_audit ORDER BY seq",
            );
            assert_eq!(told.await, case.entries, "{} {held:?}", case.at);
        }
    }
}

#[tokio::test]
async fn postgres_step_entry_of_a_cut_connection_is_written_once() {
    every_step_is_on_record_once(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_step_entry_of_a_cut_connection_is_written_once() {
    every_step_is_on_record_once(Kind::MariaDb).await;
}
