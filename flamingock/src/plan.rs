//! The plan: what a run would do with each change, and why. Pure: no clock, no store, no waiting.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::audit::{Newest, Origin, State, TransactionMode};
use crate::change::{Definition, Recovery};
use crate::order;
use crate::pipeline::Pipeline;

/// What to do with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Run it.
    Apply,
    /// It is applied.
    Skip,
    /// Ask its probe: true is applied. False is what the attempt was to be.
    Verify(WhenAbsent),
    /// Ask the target's marker whether the attempt was committed, then skip or apply.
    Resolve,
    /// A person is needed.
    Issue(Cause),
    /// The runner's tags leave it out.
    Filtered,
}

/// What the probe's "not there" means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenAbsent {
    /// The attempt to apply it left nothing: apply it.
    Apply,
    /// The attempt to undo it is through: it is rolled back.
    RolledBack,
}

/// Why a person is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// An attempt without transaction began and nobody saw it end.
    Interrupted,
    /// An attempt without transaction failed, and what it did was not undone.
    Failed,
    /// The rollback failed.
    RollbackFailed,
    /// An undo began, and it is not known how far it came.
    UndoInterrupted,
    /// The probe itself failed.
    VerifyFailed,
    /// The transaction of an interrupted attempt is still open at its target.
    StillOpen,
    /// The audit says something that this version does not know.
    UnknownState,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Interrupted => {
                "an attempt outside a transaction began and was not seen to end: it may have left anything behind"
            }
            Cause::Failed => {
                "an attempt outside a transaction failed and what it did was not undone"
            }
            Cause::RollbackFailed => "its rollback failed: it may have left anything behind",
            Cause::UndoInterrupted => "its undo began and was not seen to end",
            Cause::VerifyFailed => "its verify function failed, so nobody knows whether it is there",
            Cause::StillOpen => "the transaction of an interrupted attempt is still open",
            Cause::UnknownState => {
                "the audit has an entry that this version of flamingock does not know"
            }
        })
    }
}

/// What the code says of a change, as far as the decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) recovery: Recovery,
    pub(crate) has_verify: bool,
}

/// What the newest entry says of a change, as far as the decision goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded<'a> {
    pub(crate) state: &'a State,
    pub(crate) mode: &'a TransactionMode,
    pub(crate) origin: &'a Origin,
}

/// What to do with a change. How the recorded attempt ran tells what it may have left behind; what
/// may be done about it is what the code says now.
pub(crate) fn decide(recorded: Option<&Recorded<'_>>, code: Code) -> Decision {
    let Some(recorded) = recorded else {
        return Decision::Apply;
    };
    match recorded.state {
        State::RolledBack | State::MarkedRolledBack => Decision::Apply,
        State::Applied | State::MarkedApplied => Decision::Skip,
        State::Started | State::Failed if *recorded.origin == Origin::Undo => {
            if code.has_verify {
                Decision::Verify(WhenAbsent::RolledBack)
            } else {
                Decision::Issue(Cause::UndoInterrupted)
            }
        }
        State::Started => match recorded.mode {
            TransactionMode::Separate => Decision::Resolve,
            // Such an entry of a shared transaction is only seen when the database has committed
            // it midway: as if there had been no transaction.
            TransactionMode::Shared | TransactionMode::None => interrupted(code),
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::Failed => match recorded.mode {
            TransactionMode::Shared | TransactionMode::Separate => Decision::Apply,
            TransactionMode::None => unless_retry(code, Cause::Failed),
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::RollbackFailed => match recorded.mode {
            TransactionMode::Shared | TransactionMode::Separate | TransactionMode::None => {
                unless_retry(code, Cause::RollbackFailed)
            }
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::Unknown(_) => Decision::Issue(Cause::UnknownState),
    }
}

/// An attempt of which nothing more is known than that it began.
pub(crate) fn interrupted(code: Code) -> Decision {
    if code.has_verify {
        Decision::Verify(WhenAbsent::Apply)
    } else {
        unless_retry(code, Cause::Interrupted)
    }
}

fn unless_retry(code: Code, cause: Cause) -> Decision {
    match code.recovery {
        Recovery::Retry => Decision::Apply,
        Recovery::Manual => Decision::Issue(cause),
    }
}

/// Something about a change that does not stop it, but that somebody should see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The code of an applied change is not the code that was applied.
    Drifted {
        /// The digest that was applied.
        applied: String,
    },
    /// It is new, and its order is below that of a change that is applied already.
    OutOfOrder {
        /// The applied change with the highest order of the stage.
        behind: String,
    },
    /// The database refused a transaction of it for another's sake and it ran again.
    Retried {
        /// How many times.
        times: u32,
    },
    /// The database committed the change before its end; it counts as one without transaction.
    CommittedMidway,
    /// An attempt that nobody saw end turned out to be applied.
    FoundApplied,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Drifted { applied } => {
                write!(f, "edited after it was applied (applied as {applied})")
            }
            Note::OutOfOrder { behind } => {
                write!(f, "out of order: \"{behind}\" is applied already")
            }
            Note::Retried { times } => {
                write!(f, "the database refused {times} conflicting transaction(s) before")
            }
            Note::CommittedMidway => f.write_str(
                "the database committed before the change ended: it counts as one without transaction",
            ),
            Note::FoundApplied => {
                f.write_str("found applied, by an attempt that was not seen to end or by another hand")
            }
        }
    }
}

/// A change and what to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) definition: &'static Definition,
    pub(crate) decision: Decision,
    /// The number of the attempt that would start now.
    pub(crate) attempt: u32,
    pub(crate) newest: Option<Newest>,
    pub(crate) notes: Vec<Note>,
}

/// What to do with every change of the pipeline, stage by stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Vec<Step>>,
    /// Entries of changes that the pipeline does not have.
    pub(crate) missing: Vec<Newest>,
}

impl Plan {
    pub(crate) fn make(
        pipeline: &Pipeline,
        selected: impl Fn(&Definition) -> bool,
        newest: Vec<Newest>,
    ) -> Plan {
        let mut newest: HashMap<String, Newest> = newest
            .into_iter()
            .map(|entry| (entry.change_id.clone(), entry))
            .collect();
        let mut plan = Plan::default();
        for stage in &pipeline.stages {
            let mut steps = Vec::with_capacity(stage.changes.len());
            for definition in &stage.changes {
                steps.push(step(
                    definition,
                    newest.remove(definition.id),
                    selected(definition),
                ));
            }
            note_out_of_order(&mut steps);
            plan.stages.push(steps);
        }
        plan.missing = newest
            .into_values()
            .filter(|entry| is_applied(&entry.state))
            .collect();
        plan.missing.sort_by_key(|entry| entry.seq);
        plan
    }

    /// Asks the probe of every change that was never tried whether it is there already.
    pub(crate) fn ask_first(&mut self) {
        for step in self.stages.iter_mut().flatten() {
            let untried = step.newest.is_none() && step.decision == Decision::Apply;
            if untried && step.definition.verify.is_some() {
                step.decision = Decision::Verify(WhenAbsent::Apply);
            }
        }
    }

    /// The plan of a pipeline of which it is known that all of it is applied.
    pub(crate) fn complete(pipeline: &Pipeline, selected: impl Fn(&Definition) -> bool) -> Plan {
        let stages = pipeline.stages.iter().map(|stage| {
            let steps = stage.changes.iter().map(|definition| Step {
                definition,
                decision: if selected(definition) {
                    Decision::Skip
                } else {
                    Decision::Filtered
                },
                attempt: 1,
                newest: None,
                notes: Vec::new(),
            });
            steps.collect()
        });
        Plan {
            stages: stages.collect(),
            missing: Vec::new(),
        }
    }

    /// Another run is at work: what looks like an attempt that nobody saw end is one that is
    /// running or rolling back, and pending for whoever waits.
    pub(crate) fn is_being_worked_at(&mut self) {
        for step in self.stages.iter_mut().flatten() {
            if matches!(step.decision, Decision::Issue(_)) {
                step.decision = Decision::Apply;
            }
        }
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flatten()
    }

    /// Whether everything selected is applied.
    pub(crate) fn is_settled(&self) -> bool {
        self.steps()
            .all(|step| matches!(step.decision, Decision::Skip | Decision::Filtered))
    }

    /// Whether a run could do anything: in a stage with an issue, or after one, nothing runs.
    pub(crate) fn has_work(&self, pipeline: &Pipeline) -> bool {
        let mut blocked = vec![false; self.stages.len()];
        for (index, steps) in self.stages.iter().enumerate() {
            let after = pipeline
                .stages
                .get(index)
                .map_or(&[][..], |stage| &stage.after);
            blocked[index] = after.iter().any(|before| blocked[*before])
                || steps
                    .iter()
                    .any(|step| matches!(step.decision, Decision::Issue(_)));
            let works = |step: &Step| match step.decision {
                Decision::Apply | Decision::Verify(_) | Decision::Resolve => true,
                Decision::Skip | Decision::Issue(_) | Decision::Filtered => false,
            };
            if !blocked[index] && steps.iter().any(works) {
                return true;
            }
        }
        false
    }
}

/// What the code says of a change.
pub(crate) fn code(definition: &Definition) -> Code {
    Code {
        recovery: definition.recovery,
        has_verify: definition.verify.is_some(),
    }
}

fn step(definition: &'static Definition, newest: Option<Newest>, selected: bool) -> Step {
    let recorded = newest.as_ref().map(|newest| Recorded {
        state: &newest.state,
        mode: &newest.transaction_mode,
        origin: &newest.origin,
    });
    let decision = if selected {
        decide(recorded.as_ref(), code(definition))
    } else {
        Decision::Filtered
    };
    let mut notes = Vec::new();
    if let Some(newest) = &newest
        && is_applied(&newest.state)
        && newest.digest != definition.digest
    {
        notes.push(Note::Drifted {
            applied: newest.digest.clone(),
        });
    }
    let attempt = newest
        .as_ref()
        .map_or(1, |newest| newest.attempt.saturating_add(1));
    Step {
        definition,
        decision,
        attempt,
        newest,
        notes,
    }
}

/// Notes every change that was never tried although a later one of its stage is applied.
fn note_out_of_order(steps: &mut [Step]) {
    let applied = |step: &Step| {
        step.newest
            .as_ref()
            .is_some_and(|entry| is_applied(&entry.state))
    };
    let Some(last) = steps.iter().rposition(applied) else {
        return;
    };
    let (behind, highest) = (steps[last].definition.id, steps[last].definition.order);
    for step in &mut steps[..last] {
        if step.newest.is_none()
            && step.decision == Decision::Apply
            && order::compare(step.definition.order, highest).is_lt()
        {
            step.notes.push(Note::OutOfOrder {
                behind: behind.to_owned(),
            });
        }
    }
}

pub(crate) fn is_applied(state: &State) -> bool {
    matches!(state, State::Applied | State::MarkedApplied)
}

#[cfg(test)]
mod tests {
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
            };
            let code = Code {
                recovery: *recovery,
                has_verify: *has_verify,
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
                        has_verify
                    }
                ),
                Decision::Apply
            );
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
    fn a_failed_rollback_needs_a_person_unless_retry() {
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
        for mode in ["none", "shared", "separate"] {
            for state in ["STARTED", "FAILED"] {
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
                    "PAUSED",
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
}
