//! Undo: which changes are reversed, and in which order.

use std::collections::HashMap;

use super::decision::{Cause, Decision};
use super::steps::{Plan, Step};
use crate::audit::entry::LatestEntry;
use crate::change::body::Code;
use crate::change::problem::Problem;
use crate::util::near_miss::did_you_mean;
use crate::util::plural::plural;

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

    /// Undoes the changes even if the service has applied changes that this binary does not have.
    /// Those stay as they are.
    ///
    /// Without this, [`UndoTarget::Last`], [`Count`](UndoTarget::Count), [`To`](UndoTarget::To) and
    /// [`Run`](UndoTarget::Run) are refused in that case: a newer release has applied those
    /// changes, and the last change that this binary has belongs to the release before it.
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
            applied(&steps[place..=place])
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
    problems.extend(interrupted(&chosen));
    problems.extend(without_rollback(&chosen));
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
