//! A model of the lock, the lease and fencing: every order of the events of a few runs and a few
//! faults.
//!
//! `rules` lists the rules of the engine and of its stores. With all of them, the guarantees hold
//! in every state. Each of them is needed: without it, the model breaks a guarantee.

mod explore;
mod guarantees;
mod requests;
mod rules;
mod runs;
mod world;

use self::explore::{Explored, explore};
use self::rules::{Lock, Rule};
use self::world::{Disturbs, Kind};
use flamingock_time::is_extra;

/// The limit of explored states.
const MOST: usize = 20_000_000;

const KINDS: [Kind; 4] = [Kind::Manual, Kind::Verified, Kind::Shared, Kind::Midway];

const QUIET: Disturbs = Disturbs {
    losses: 0,
    repeats: 0,
    kills: 0,
    pauses: 0,
    restores: 0,
};

const LOSS: Disturbs = Disturbs { losses: 1, ..QUIET };
const REPEAT: Disturbs = Disturbs {
    repeats: 1,
    ..QUIET
};
const KILL: Disturbs = Disturbs { kills: 1, ..QUIET };
const PAUSE: Disturbs = Disturbs { pauses: 1, ..QUIET };
const RESTORE: Disturbs = Disturbs {
    restores: 1,
    ..QUIET
};

const fn runs(runs: u8, kind: Kind, disturbs: Disturbs) -> Lock {
    Lock {
        kind,
        runs,
        operators: 0,
        disturbs,
        without: None,
    }
}

fn explored(lock: &Lock) -> Explored {
    let explored = explore(lock, MOST);
    let Lock {
        kind,
        runs,
        operators,
        disturbs,
        without,
    } = lock;
    println!(
        "{kind:?}, {runs} runs, {operators} operators, {disturbs:?}, without {without:?}: {} states",
        explored.states
    );
    explored
}

fn nothing_breaks(lock: Lock) {
    let explored = explored(&lock);
    if let Some((rule, way)) = explored.broken {
        panic!("{lock:?}: broken is: {rule}\n{}", way.join("\n"));
    }
}

fn nothing_breaks_with(disturbs: Disturbs, kinds: &[Kind]) {
    for kind in if is_extra() { &KINDS } else { kinds } {
        nothing_breaks(runs(2, *kind, disturbs));
    }
}

/// Late messages are always possible: any message may take any time.
#[test]
fn two_runs_with_late_messages_keep_the_rules() {
    nothing_breaks_with(QUIET, &KINDS);
}

#[test]
fn killed_process_keeps_the_rules() {
    nothing_breaks_with(KILL, &KINDS);
}

#[test]
fn paused_process_keeps_the_rules() {
    nothing_breaks_with(PAUSE, &[Kind::Midway]);
}

#[test]
fn lost_message_keeps_the_rules() {
    nothing_breaks_with(LOSS, &[Kind::Shared]);
}

#[test]
fn repeated_request_keeps_the_rules() {
    nothing_breaks_with(REPEAT, &[Kind::Shared]);
}

#[test]
fn forced_release_keeps_the_rules() {
    let (kinds, number) = match is_extra() {
        true => (&KINDS[..], 2),
        false => (&[Kind::Manual, Kind::Midway][..], 1),
    };
    for kind in kinds {
        nothing_breaks(Lock {
            operators: 1,
            ..runs(number, *kind, QUIET)
        });
    }
}

/// Except DDL that commits midway: fencing does not refuse its commit, and the sessions of a
/// restored server are gone.
#[test]
fn restored_database_keeps_fencing() {
    let kinds: &[Kind] = match is_extra() {
        true => &[Kind::Manual, Kind::Verified, Kind::Shared],
        false => &[Kind::Shared],
    };
    for kind in kinds {
        nothing_breaks(runs(2, *kind, RESTORE));
    }
}

/// The rules one by one: without the rule, a guarantee is broken, and which.
#[test]
fn each_rule_is_needed() {
    let plain = runs(2, Kind::Manual, QUIET);
    let verified = runs(2, Kind::Verified, QUIET);
    let midway = runs(2, Kind::Midway, LOSS);
    let with = |disturbs: Disturbs, lock: Lock| Lock { disturbs, ..lock };
    let forced = |lock: Lock| Lock {
        operators: 1,
        ..lock
    };
    let cases = [
        (
            Rule::LeaseFromRequest,
            verified,
            "one live process runs a change",
        ),
        (Rule::EndsWithItsLease, verified, "one effect"),
        (Rule::ChecksTheLeaseFirst, verified, "one effect"),
        (
            Rule::FencingToken,
            plain,
            "entries between two acquisitions belong to one owner",
        ),
        (
            Rule::FenceByRun,
            with(RESTORE, plain),
            "entries between two acquisitions belong to one owner",
        ),
        (Rule::StartsFirst, plain, "one effect"),
        (Rule::ReadsUnderTheLock, plain, "one effect"),
        (Rule::KeepsTheLockInDoubt, midway, "one effect"),
        (Rule::EndsSessions, midway, "one effect"),
        (
            Rule::ForcesWhatWasSeen,
            forced(plain),
            "a forced release ends only the owner that was shown",
        ),
        (
            Rule::RenewsItsOwn,
            plain,
            "no run waits longer than one lease after an owner has died",
        ),
        (
            Rule::AcquiresOnce,
            with(REPEAT, plain),
            "an owner is not refused while no other run has had the lock",
        ),
        (
            Rule::RefusesLateStarts,
            with(LOSS, plain),
            "an issue only if something may be half done",
        ),
        (Rule::ReadsBeforeRepeating, with(LOSS, plain), "one APPLIED"),
    ];
    for (rule, lock, expected) in cases {
        let without = Some(rule);
        let found = explored(&Lock { without, ..lock });
        let (broken, way) = found.broken.unwrap_or(("nothing", Vec::new()));
        println!("  {broken}:\n    {}", way.join("\n    "));
        assert_eq!(broken, expected, "without {rule:?}");
    }
}

/// Two faults at once, and three runs.
#[test]
fn more_runs_and_more_faults_keep_the_rules() {
    if !is_extra() {
        return;
    }
    for kind in KINDS {
        let killed_and_paused = Disturbs { kills: 1, ..PAUSE };
        nothing_breaks(runs(2, kind, killed_and_paused));
    }
    nothing_breaks(runs(3, Kind::Shared, QUIET));
}
