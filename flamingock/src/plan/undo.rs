//! Undo: which changes are reversed, and in which order.

use std::collections::HashMap;

use super::decision::{Cause, Decision};
use super::step::{Step, in_batches};
use super::steps::Plan;
use crate::audit::entry::{LatestEntry, Origin, State, TransactionMode};
use crate::change::body::Code;
use crate::change::problem::Problem;
use crate::util::near_miss::did_you_mean;
use crate::util::plural::plural;
use crate::util::shell::quote;

/// The changes to undo, in the reverse of the order in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UndoTarget {
    /// The last applied change of the pipeline.
    Last,
    /// This many applied changes, from the last one back.
    Count(usize),
    /// All applied changes after this one, which itself stays applied.
    To(String),
    /// Only this change.
    Change(String),
    /// The changes that the run with this id applied, unless a later run has applied them again.
    Run(String),
}

/// The changes to undo, and whether to undo them although the service has applied changes that this
/// binary does not have.
///
/// ```
/// use flamingock::{Undo, UndoTarget};
///
/// let last = Undo::new(UndoTarget::Last);
/// let last_of_this_binary = Undo::new(UndoTarget::Last).force();
/// assert_eq!(last, UndoTarget::Last.into());
/// assert_ne!(last, last_of_this_binary);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    target: UndoTarget,
    force: bool,
}

impl Undo {
    /// Undoes these changes.
    pub fn new(target: UndoTarget) -> Undo {
        Undo {
            target,
            force: false,
        }
    }

    /// Undoes the changes even if the service has applied changes that this binary does not have,
    /// or if a later change is unfinished. Those stay as they are.
    ///
    /// Without this, [`UndoTarget::Last`], [`Count`](UndoTarget::Count), [`To`](UndoTarget::To) and
    /// [`Run`](UndoTarget::Run) are refused in that case: a newer release has applied those
    /// changes, and the last change that this binary has belongs to the release before it. What an
    /// unfinished change has done so far may build on the changes before it.
    #[must_use]
    pub fn force(mut self) -> Undo {
        self.force = true;
        self
    }

    /// Returns the id of the run whose changes are to be undone.
    pub(crate) fn run(&self) -> Option<&str> {
        match &self.target {
            UndoTarget::Run(run_id) => Some(run_id),
            UndoTarget::Last | UndoTarget::Count(_) | UndoTarget::To(_) | UndoTarget::Change(_) => {
                None
            }
        }
    }
}

impl From<UndoTarget> for Undo {
    fn from(target: UndoTarget) -> Undo {
        Undo::new(target)
    }
}

/// The attempts that a run has applied, by change id.
pub(crate) type AppliedByRun = HashMap<String, u32>;

/// Reports whether the latest entry belongs to an attempt that this run has applied. A failed undo,
/// and its resolution, keep the attempt's number; a new run of the change has another one.
fn is_of(latest: &LatestEntry, applied: &AppliedByRun) -> bool {
    applied.get(&latest.change_id) == Some(&latest.attempt)
}

/// Selects the applied changes to undo, last first. Refuses all of them if one cannot be undone.
pub(crate) fn select<'a>(
    plan: &'a Plan,
    undo: &Undo,
    by_run: &AppliedByRun,
) -> Result<Vec<&'a Step>, Vec<Problem>> {
    let steps: Vec<&Step> = plan.steps().collect();
    let unknown = |id: &str| {
        vec![Problem::general(format!(
            "the pipeline has no change {id:?}: nothing was undone{}",
            did_you_mean(id, steps.iter().map(|step| step.definition.id))
        ))]
    };
    let place = |id: &str| steps.iter().position(|step| step.definition.id == id);
    // An interrupted undo is completed by this undo, or has to be resolved before it.
    let is_applied = |step: &Step| {
        matches!(step.decision, Decision::Skip | Decision::Again)
            || step.is_half_undone()
            || is_undo_interrupted(step)
            || step.is_rolling_back()
    };
    let applied = |steps: &[&'a Step]| -> Vec<&'a Step> {
        let backwards = steps.iter().rev().copied();
        backwards.filter(|step| is_applied(step)).collect()
    };
    let chosen: Vec<&Step> = match &undo.target {
        UndoTarget::Last => applied(&steps).into_iter().take(1).collect(),
        UndoTarget::Count(count) => applied(&steps).into_iter().take(*count).collect(),
        UndoTarget::To(id) => {
            let place = place(id).ok_or_else(|| unknown(id))?;
            applied(&steps[place + 1..])
        }
        UndoTarget::Change(id) => {
            let place = place(id).ok_or_else(|| unknown(id))?;
            match steps[place].is_cancelled() {
                true => vec![steps[place]],
                false => applied(&steps[place..=place]),
            }
        }
        UndoTarget::Run(_) => {
            let mut chosen = applied(&steps);
            chosen.retain(|step| {
                let latest = step.latest.as_deref();
                latest.is_some_and(|latest| is_of(latest, by_run))
            });
            chosen
        }
    };
    let mut problems: Vec<Problem> = unknown_changes(plan, undo, by_run).into_iter().collect();
    problems.extend(unfinished(&steps, &chosen, undo));
    problems.extend(in_progress(&steps, undo));
    problems.extend(interrupted(&chosen));
    problems.extend(without_rollback(&chosen));
    problems.extend(without_transaction(&chosen));
    if problems.is_empty() {
        Ok(chosen)
    } else {
        Err(problems)
    }
}

fn is_undo_interrupted(step: &Step) -> bool {
    step.decision == Decision::Issue(Cause::UndoInterrupted)
}

/// Reports changes whose undo was interrupted, because the changes before them must not be undone
/// first.
fn interrupted(chosen: &[&Step]) -> Vec<Problem> {
    let open = chosen.iter().filter(|step| is_undo_interrupted(step));
    let problems = open.map(|step| {
        Problem::at(
            step.definition.location(),
            format!(
                "an undo of the change {:?} was interrupted: nothing was undone. Resolve that first",
                step.definition.id
            ),
        )
    });
    problems.collect()
}

/// Reports a change in batches that is to be undone and has not come to its end.
fn in_progress(steps: &[&Step], undo: &Undo) -> Option<Problem> {
    let UndoTarget::Change(id) = &undo.target else {
        return None;
    };
    let step = steps.iter().find(|step| step.definition.id == id)?;
    let latest = step.latest.as_deref().filter(|latest| in_batches(latest))?;
    if step.is_cancelled() || step.is_rolling_back() {
        return None;
    }
    Some(Problem::at(
        step.definition.location(),
        format!(
            "the change {id:?} is not finished ({}): nothing was undone. Cancel it first, then undo it: `batch cancel {} --rollback --reason TEXT` (in code `Runner::cancel`, then `Runner::undo`)",
            latest.state,
            quote(id)
        ),
    ))
}

/// Reports unfinished changes after those to undo: what they have done so far may build on them.
fn unfinished(steps: &[&Step], chosen: &[&Step], undo: &Undo) -> Vec<Problem> {
    let first = steps.iter().position(|step| {
        let id = step.definition.id;
        chosen.iter().any(|chosen| chosen.definition.id == id)
    });
    let later = match first {
        Some(first) if !undo.force => &steps[first + 1..],
        _ => return Vec::new(),
    };
    let in_the_way = later.iter().filter_map(|step| {
        let latest = step
            .latest
            .as_deref()
            .filter(|latest| is_unfinished(latest))?;
        let concerns = match &undo.target {
            UndoTarget::Last | UndoTarget::Count(_) | UndoTarget::To(_) => true,
            UndoTarget::Run(run_id) => latest.run_id == *run_id,
            UndoTarget::Change(_) => false,
        };
        concerns.then_some((step.definition, &latest.state))
    });
    let problems = in_the_way.map(|(definition, state)| {
        Problem::at(
            definition.location(),
            format!(
                "the change {:?} comes later and is unfinished ({state}): nothing was undone. Resolve, apply or undo it first, or pass `--force` (in code `Undo::force`)",
                definition.id
            ),
        )
    });
    problems.collect()
}

/// Reports whether an attempt to apply may have left something behind. An interrupted undo has a
/// rule of its own.
fn is_unfinished(latest: &LatestEntry) -> bool {
    let is_run = latest.origin != Origin::Undo;
    is_run
        && match latest.state {
            State::Started
            | State::RollbackFailed
            | State::Paused
            | State::Cancelled
            | State::Resumed => true,
            // The database has rolled it back.
            State::Failed => {
                let is_transactional = matches!(
                    latest.transaction_mode,
                    TransactionMode::Shared | TransactionMode::Separate
                );
                !is_transactional || in_batches(latest)
            }
            State::Applied
            | State::MarkedApplied
            | State::RolledBack
            | State::MarkedRolledBack
            | State::LockReleased
            | State::Unknown(_) => false,
        }
}

/// Reports applied changes that this binary does not have and that the undo would skip.
fn unknown_changes(plan: &Plan, undo: &Undo, by_run: &AppliedByRun) -> Option<Problem> {
    let in_the_way = plan.missing.iter().filter(|entry| match &undo.target {
        UndoTarget::Last | UndoTarget::Count(_) | UndoTarget::To(_) => true,
        UndoTarget::Run(_) => is_of(entry, by_run),
        UndoTarget::Change(_) => false,
    });
    let names: Vec<String> = in_the_way
        .map(|entry| format!("{:?} (order {:?})", entry.change_id, entry.change_order))
        .collect();
    if undo.force || names.is_empty() {
        return None;
    }
    let count = plural(names.len(), "applied change");
    Some(Problem::general(format!(
        "{count} {} not in this binary: nothing was undone. Undo with the binary of the release that has {}, or pass `--force` (in code `Undo::force`) to undo only what this binary has: {}",
        if names.len() == 1 { "is" } else { "are" },
        if names.len() == 1 { "it" } else { "them" },
        names.join(", ")
    )))
}

/// Reports unfinished changes in batches whose rollback cannot be continued if it is interrupted: what
/// it reversed would be reversed again.
fn without_transaction(chosen: &[&Step]) -> Vec<Problem> {
    let is_unsafe = |step: &&&Step| {
        let rollback = step.definition.rollback;
        (step.is_cancelled() || step.is_rolling_back())
            && rollback.is_some_and(|body| body.cursor().is_none() && !body.transaction)
    };
    let problems = chosen.iter().filter(is_unsafe).map(|step| {
        Problem::at(
            step.definition.location(),
            format!(
                "the rollback of the change {:?}, which is not finished, has neither a transaction nor the key `batch`: nothing was undone. Add the key, or take a connection; or reverse what was done by hand, and mark the change as rolled back",
                step.definition.id
            ),
        )
    });
    problems.collect()
}

/// Reports the changes without a rollback.
fn without_rollback(chosen: &[&Step]) -> Vec<Problem> {
    chosen
        .iter()
        .filter(|step| step.definition.rollback.is_none())
        .map(|step| {
            let id = step.definition.id;
            let body = &step.definition.body;
            if let Some(since) = step.definition.retired_since() {
                return Problem::at(
                    step.definition.location(),
                    format!("the change {id:?} is retired, so its rollback is not in this binary: nothing was undone. {since} is the last version that has it"),
                );
            }
            let lacking = body.steps().and_then(|steps| {
                let index = steps.iter().position(|step| step.rollback.is_none())?;
                Some(crate::change::step::place(index, steps.len()))
            });
            let missing = match (lacking, body.code) {
                (Some(place), _) => format!("rollback: {place} has none"),
                (None, Code::Function(_) | Code::Batch(..) | Code::Retired(_)) => "`#[rollback]`".to_owned(),
                (None, Code::Read(_)) if body.location.file.ends_with(".sql") => {
                    "rollback beside its file".to_owned()
                }
                (None, Code::Read(_)) => "`rollback` in its file".to_owned(),
            };
            Problem::at(
                step.definition.location(),
                format!("the change {id:?} has no {missing}: nothing was undone"),
            )
        })
        .collect()
}
