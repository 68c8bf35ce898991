//! Schedules on a store in memory, in simulated time.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use flamingock::IntoStorage;
use flamingock::{LockOptions, MemoryStore};

use flamingock_time::{Flaw, Played, Schedule, Trace, common, seeds, try_all};

const TEST: &str = "flamingock-time --test simulated runs_in_simulated_time_keep_their_guarantees";

fn play(seed: u64, flaw: Option<Flaw>, is_kept: bool) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = MemoryStore::new();
        let trace = Arc::new(Trace::new(is_kept));
        let schedule = Schedule {
            seed,
            service: "simulated".to_owned(),
            lock: LockOptions::default()
                .lease(Duration::from_secs(3))
                .wait(Duration::from_secs(12)),
            flaw,
            slack: Duration::from_secs(2),
            changes: common(),
            open: &|_| (&store).into_storage(),
        };
        schedule.play(&trace).await;
        Played::of(&trace)
    })
}

#[test]
fn runs_in_simulated_time_keep_their_guarantees() {
    try_all(TEST, seeds(2_000, 100_000), |seed| {
        let played = play(seed, None, false);
        match played.is_right() {
            true => played,
            // The same seed has the same schedule.
            false => play(seed, None, true),
        }
    });
}

#[test]
fn seed_has_one_schedule() {
    for seed in 0..20 {
        let [one, again] = [(); 2].map(|()| play(seed, None, true).trace);
        assert_eq!(one, again, "seed {seed}");
    }
}

/// An answer to `append` is lost in this schedule.
#[test]
fn entry_whose_answer_was_lost_is_recorded_once() {
    let played = play(4, None, true);
    let lost = "mishap: LosesAnswer";
    let is_it = |line: &str| line.contains("Append:") && line.contains(lost);
    assert!(played.trace.lines().any(is_it), "{}", played.trace);
    assert!(played.is_right(), "{}", played.text(TEST, 4));
}

/// The first schedule in which the broken rule shows.
fn shows(flaw: Flaw, expected: &str) {
    let is_shown = |seed: &u64| {
        let wrong = play(*seed, Some(flaw), false).wrong;
        wrong.iter().any(|wrong| wrong.contains(expected))
    };
    let seed = (0..20_000).find(is_shown);
    assert!(seed.is_some(), "no schedule shows {flaw:?}");
    println!("seed {seed:?} shows {flaw:?}");
}

#[test]
fn lease_counted_from_the_answer_is_detected() {
    shows(Flaw::LeaseFromAnswer, "is Live by run");
}

#[test]
fn append_without_a_check_is_detected() {
    shows(Flaw::NoLookAtTheAudit, "times");
}
