//! The decision table, row by row.

use super::*;

/// One row of the decision table: state, mode, origin, recovery, verify, decision.
type Cell = (
    &'static str,
    &'static str,
    &'static str,
    Recovery,
    bool,
    Decision,
);

fn check(cells: &[Cell]) {
    for (state, mode, origin, recovery, has_verify, expected) in cells {
        let (state, mode, origin) = (
            State::from(*state),
            TransactionMode::from(*mode),
            Origin::from(*origin),
        );
        let recorded = Recorded {
            state: &state,
            mode: &mode,
            origin: &origin,
            changed: true,
            rolls_back_elsewhere: false,
            in_batches: false,
        };
        let code = Code {
            recovery: *recovery,
            has_verify: *has_verify,
            repeat: Repeat::Once,
            batches: Batches::No,
        };
        assert_eq!(
            decide(Some(&recorded), code),
            *expected,
            "{recorded:?} {code:?}"
        );
    }
}

use Recovery::{Manual, Retry};

#[test]
fn nothing_recorded_applies() {
    for (recovery, has_verify) in [(Manual, false), (Manual, true), (Retry, false)] {
        assert_eq!(
            decide(
                None,
                Code {
                    recovery,
                    has_verify,
                    repeat: Repeat::OnChange,
                    batches: Batches::No,
                }
            ),
            Decision::Apply
        );
    }
}

#[test]
fn repeatable_change_is_applied_again_only_when_it_has_changed() {
    for (state, repeat, changed, expected) in [
        (State::Applied, Repeat::OnChange, true, Decision::Again),
        (
            State::MarkedApplied,
            Repeat::OnChange,
            true,
            Decision::Again,
        ),
        (State::Applied, Repeat::OnChange, false, Decision::Skip),
        (State::Applied, Repeat::Once, true, Decision::Skip),
        (State::RolledBack, Repeat::OnChange, false, Decision::Apply),
        (State::Failed, Repeat::OnChange, true, Decision::Apply),
    ] {
        let recorded = Recorded {
            state: &state,
            mode: &TransactionMode::Shared,
            origin: &Origin::Run,
            changed,
            rolls_back_elsewhere: false,
            in_batches: false,
        };
        let code = Code {
            recovery: Manual,
            has_verify: false,
            repeat,
            batches: Batches::No,
        };
        assert_eq!(
            decide(Some(&recorded), code),
            expected,
            "{recorded:?} {code:?}"
        );
    }
}

#[test]
fn verify_function_does_not_resolve_a_repeatable_change() {
    for (recovery, expected) in [
        (Manual, Decision::Issue(Cause::Interrupted)),
        (Retry, Decision::Apply),
    ] {
        let recorded = Recorded {
            state: &State::Started,
            mode: &TransactionMode::None,
            origin: &Origin::Run,
            changed: false,
            rolls_back_elsewhere: false,
            in_batches: false,
        };
        let code = Code {
            recovery,
            has_verify: true,
            repeat: Repeat::OnChange,
            batches: Batches::No,
        };
        assert_eq!(decide(Some(&recorded), code), expected);
    }
}

#[test]
fn what_is_settled_does_not_depend_on_how_it_ran() {
    for mode in ["none", "shared", "separate", "odd"] {
        for recovery in [Manual, Retry] {
            check(&[
                ("ROLLED_BACK", mode, "run", recovery, false, Decision::Apply),
                ("ROLLED_BACK", mode, "undo", recovery, true, Decision::Apply),
                (
                    "MANUAL_MARKED_AS_ROLLED_BACK",
                    mode,
                    "operator",
                    recovery,
                    false,
                    Decision::Apply,
                ),
                ("APPLIED", mode, "run", recovery, false, Decision::Skip),
                ("APPLIED", mode, "import", recovery, true, Decision::Skip),
                (
                    "MANUAL_MARKED_AS_APPLIED",
                    mode,
                    "operator",
                    recovery,
                    false,
                    Decision::Skip,
                ),
            ]);
        }
    }
}

#[test]
fn started_is_resolved_verified_or_an_issue() {
    let verify = Decision::Verify(WhenAbsent::Apply);
    for mode in ["none", "shared"] {
        check(&[
            (
                "STARTED",
                mode,
                "run",
                Manual,
                false,
                Decision::Issue(Cause::Interrupted),
            ),
            ("STARTED", mode, "run", Manual, true, verify.clone()),
            ("STARTED", mode, "run", Retry, false, Decision::Apply),
            ("STARTED", mode, "run", Retry, true, verify.clone()),
        ]);
    }
    for (recovery, has_verify) in [(Manual, false), (Manual, true), (Retry, false)] {
        check(&[(
            "STARTED",
            "separate",
            "run",
            recovery,
            has_verify,
            Decision::Resolve,
        )]);
    }
}

#[test]
fn failed_depends_on_the_recorded_mode() {
    for mode in ["shared", "separate"] {
        for recovery in [Manual, Retry] {
            check(&[("FAILED", mode, "run", recovery, false, Decision::Apply)]);
        }
    }
    check(&[
        (
            "FAILED",
            "none",
            "run",
            Manual,
            false,
            Decision::Issue(Cause::Failed),
        ),
        (
            "FAILED",
            "none",
            "run",
            Manual,
            true,
            Decision::Issue(Cause::Failed),
        ),
        ("FAILED", "none", "run", Retry, false, Decision::Apply),
    ]);
}

#[test]
fn failed_rollback_needs_manual_resolution_unless_retry() {
    for mode in ["none", "shared", "separate"] {
        check(&[
            (
                "ROLLBACK_FAILED",
                mode,
                "run",
                Manual,
                true,
                Decision::Issue(Cause::RollbackFailed),
            ),
            (
                "ROLLBACK_FAILED",
                mode,
                "run",
                Retry,
                false,
                Decision::Apply,
            ),
        ]);
    }
}

#[test]
fn an_undo_is_settled_and_never_applied() {
    for recovery in [Manual, Retry] {
        for has_verify in [false, true] {
            let marker = Decision::Resolve;
            check(&[("STARTED", "separate", "undo", recovery, has_verify, marker)]);
        }
    }
    for mode in ["none", "shared", "separate"] {
        for state in ["STARTED", "FAILED"] {
            if (state, mode) == ("STARTED", "separate") {
                continue;
            }
            for recovery in [Manual, Retry] {
                check(&[
                    (
                        state,
                        mode,
                        "undo",
                        recovery,
                        true,
                        Decision::Verify(WhenAbsent::RolledBack),
                    ),
                    (
                        state,
                        mode,
                        "undo",
                        recovery,
                        false,
                        Decision::Issue(Cause::UndoInterrupted),
                    ),
                ]);
            }
        }
    }
}

#[test]
fn what_is_not_known_is_an_issue() {
    for recovery in [Manual, Retry] {
        check(&[
            (
                "SUSPENDED",
                "none",
                "run",
                recovery,
                true,
                Decision::Issue(Cause::UnknownState),
            ),
            (
                "STARTED",
                "odd",
                "run",
                recovery,
                true,
                Decision::Issue(Cause::UnknownState),
            ),
            (
                "FAILED",
                "odd",
                "run",
                recovery,
                false,
                Decision::Issue(Cause::UnknownState),
            ),
            (
                "ROLLBACK_FAILED",
                "odd",
                "run",
                recovery,
                false,
                Decision::Issue(Cause::UnknownState),
            ),
        ]);
    }
}

/// The marker of the rollback decides; without it, the failure is as it was left.
#[test]
fn a_rollback_elsewhere_that_was_interrupted_is_found_out_there() {
    for recovery in [Manual, Retry] {
        for (state, expected) in [
            (State::Failed, Decision::Resolve),
            (State::RolledBack, Decision::Apply),
        ] {
            let recorded = Recorded {
                state: &state,
                mode: &TransactionMode::None,
                origin: &Origin::Run,
                changed: false,
                rolls_back_elsewhere: state == State::Failed,
                in_batches: false,
            };
            let code = Code {
                recovery,
                has_verify: true,
                repeat: Repeat::Once,
                batches: Batches::No,
            };
            assert_eq!(decide(Some(&recorded), code), expected, "{recorded:?}");
        }
    }
}

#[test]
fn change_in_batches_continues_as_it_ran() {
    use Batches::{Plain, Transactional};
    let interrupted = Decision::Issue(Cause::Interrupted);
    let failed = Decision::Issue(Cause::Failed);
    for (state, mode, origin, batches, expected) in [
        ("STARTED", "shared", "run", Transactional, Decision::Apply),
        ("STARTED", "separate", "run", Transactional, Decision::Apply),
        ("FAILED", "shared", "run", Transactional, Decision::Apply),
        ("FAILED", "separate", "run", Transactional, Decision::Apply),
        ("STARTED", "none", "run", Plain, Decision::Apply),
        ("FAILED", "none", "run", Plain, Decision::Apply),
        // A batch was committed midway.
        ("FAILED", "none", "run", Transactional, failed.clone()),
        // The code ran in another way before.
        ("STARTED", "none", "run", Transactional, interrupted.clone()),
        ("STARTED", "shared", "run", Plain, interrupted),
        ("STARTED", "separate", "run", Plain, Decision::Resolve),
        ("APPLIED", "shared", "run", Transactional, Decision::Skip),
        (
            "ROLLED_BACK",
            "shared",
            "undo",
            Transactional,
            Decision::Apply,
        ),
        (
            "STARTED",
            "separate",
            "undo",
            Transactional,
            Decision::Resolve,
        ),
        (
            "STARTED",
            "none",
            "undo",
            Plain,
            Decision::Issue(Cause::UndoInterrupted),
        ),
        (
            "FAILED",
            "none",
            "undo",
            Plain,
            Decision::Issue(Cause::UndoInterrupted),
        ),
        (
            "ROLLBACK_FAILED",
            "shared",
            "undo",
            Transactional,
            Decision::Issue(Cause::RollbackFailed),
        ),
        (
            "STARTED",
            "odd",
            "run",
            Transactional,
            Decision::Issue(Cause::UnknownState),
        ),
    ] {
        let (state, mode, origin) = (
            State::from(state),
            TransactionMode::from(mode),
            Origin::from(origin),
        );
        let recorded = Recorded {
            state: &state,
            mode: &mode,
            origin: &origin,
            changed: true,
            rolls_back_elsewhere: false,
            in_batches: origin == Origin::Run,
        };
        let code = Code {
            recovery: Manual,
            has_verify: false,
            repeat: Repeat::Once,
            batches,
        };
        assert_eq!(
            decide(Some(&recorded), code),
            expected,
            "{recorded:?} {code:?}"
        );
    }
}

#[test]
fn batches_of_an_earlier_version_are_never_done_again() {
    use Batches::{No, Plain, Transactional};
    let lost = Decision::Issue(Cause::NoBatches);
    for (state, mode, in_batches, batches, expected) in [
        // The code worked in batches, and does not any more.
        ("FAILED", "shared", true, No, lost.clone()),
        ("FAILED", "separate", true, No, lost.clone()),
        ("FAILED", "none", true, No, lost.clone()),
        ("STARTED", "shared", true, No, lost.clone()),
        ("STARTED", "separate", true, No, lost),
        ("ROLLED_BACK", "shared", false, No, Decision::Apply),
        // The code works in batches, and did not before.
        ("FAILED", "shared", false, Transactional, Decision::Apply),
        (
            "STARTED",
            "separate",
            false,
            Transactional,
            Decision::Resolve,
        ),
        (
            "FAILED",
            "none",
            false,
            Plain,
            Decision::Issue(Cause::Failed),
        ),
        (
            "STARTED",
            "none",
            false,
            Plain,
            Decision::Issue(Cause::Interrupted),
        ),
    ] {
        let (state, mode) = (State::from(state), TransactionMode::from(mode));
        let recorded = Recorded {
            state: &state,
            mode: &mode,
            origin: &Origin::Run,
            changed: true,
            rolls_back_elsewhere: false,
            in_batches,
        };
        // Even code that may try again does not.
        let recovery = if batches == No { Retry } else { Manual };
        let code = Code {
            recovery,
            has_verify: false,
            repeat: Repeat::Once,
            batches,
        };
        let decided = decide(Some(&recorded), code);
        assert_eq!(decided, expected, "{recorded:?} {code:?}");
    }
}

#[test]
fn undo_in_batches_that_has_begun_is_to_be_completed() {
    use Batches::{No, Plain, Transactional};
    for state in [State::Started, State::Failed] {
        for mode in [
            TransactionMode::Shared,
            TransactionMode::Separate,
            TransactionMode::None,
        ] {
            for (batches, recovery, has_verify) in [
                (No, Manual, false),
                (Plain, Retry, true),
                (Transactional, Retry, true),
                (Transactional, Manual, false),
            ] {
                let recorded = Recorded {
                    state: &state,
                    mode: &mode,
                    origin: &Origin::Undo,
                    changed: true,
                    rolls_back_elsewhere: false,
                    in_batches: true,
                };
                let code = Code {
                    recovery,
                    has_verify,
                    repeat: Repeat::Once,
                    batches,
                };
                let decided = decide(Some(&recorded), code);
                let expected = Decision::Issue(Cause::UndoUnfinished);
                assert_eq!(decided, expected, "{recorded:?} {code:?}");
            }
        }
    }
}
