//! Applying the policy to a plan.

use super::settings::Settings;
use crate::audit::snapshot::Snapshot;
use crate::change::problem::Problem;
use crate::plan::note::Note;
use crate::plan::policy::Rule;
use crate::plan::steps::Plan;

/// Whether another run may change what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// No other run has the lock.
    Settled,
    /// Another run has the lock.
    InMotion,
}

impl Looks {
    pub(super) fn of(snapshot: &Snapshot) -> Looks {
        if snapshot.is_held() {
            Looks::InMotion
        } else {
            Looks::Settled
        }
    }
}

/// Applies the policy: a finding that is allowed is not noted, and one that is denied is a problem.
pub(super) fn judge(
    settings: &Settings,
    plan: &mut Plan,
    looks: Looks,
) -> Result<(), Vec<Problem>> {
    let policy = settings.policy;
    let mut problems = Vec::new();
    for step in plan.stages.iter_mut().flatten() {
        let definition = step.definition;
        step.notes.retain(|note| {
            let rule = match note {
                Note::Drifted { .. } => policy.drift,
                Note::OutOfOrder { .. } => policy.out_of_order,
                Note::Again { .. }
                | Note::Retried { .. }
                | Note::CommittedMidway
                | Note::FoundApplied
                | Note::Reached { .. }
                | Note::Running
                | Note::SessionOptions { .. }
                | Note::Undone => Rule::Warn,
            };
            if rule == Rule::Deny {
                let message = format!(
                    "the change {:?}: {note}; the runner's policy denies that",
                    definition.id
                );
                problems.push(Problem::at(definition.location(), message));
            }
            rule != Rule::Allow
        });
    }
    for renamed in &plan.renamed {
        let location = renamed.definition.location();
        problems.push(Problem::at(location, renamed.question()));
    }
    match policy.missing {
        Rule::Allow | Rule::Warn => {}
        Rule::Deny => problems.extend(plan.missing.iter().map(|entry| {
            Problem::general(format!(
                "the change {:?} is applied, but not in this binary; the runner's policy denies that",
                entry.change_id
            ))
        })),
    }
    // Another run may be about to change these findings.
    if problems.is_empty() || looks == Looks::InMotion {
        Ok(())
    } else {
        Err(problems)
    }
}
