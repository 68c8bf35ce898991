//! Applying the policy to a plan.

use std::fmt::Write as _;

use super::settings::Settings;
use crate::audit::snapshot::Snapshot;
use crate::change::problem::Problem;
use crate::plan::note::Note;
use crate::plan::policy::Rule;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
use crate::util::shell::quote;

/// Whether another run may change what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// No other run has the lock.
    Settled,
    /// Another run has the lock, or this one adopts a history once it has it.
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
/// A retired change that is not applied and a change that was renamed always are.
pub(super) fn judge(
    settings: &Settings,
    plan: &mut Plan,
    looks: Looks,
) -> Result<(), Vec<Problem>> {
    let policy = settings.policy;
    let mut problems = Vec::new();
    for step in plan.stages.iter_mut().flatten() {
        let definition = step.definition;
        if let Some(since) = step.retired_too_early() {
            problems.push(retired_too_early(step, since));
        }
        step.notes.retain(|note| {
            let rule = match note {
                Note::Drifted { .. } => policy.drift,
                Note::OutOfOrder { .. } => policy.out_of_order,
                Note::Again { .. }
                | Note::Retried { .. }
                | Note::CommittedMidway
                | Note::FoundApplied
                | Note::Reached { .. }
                | Note::Progress(_)
                | Note::ProgressUnknown { .. }
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

/// The problem of a retired change that is not applied. A baseline writes no entry for a change
/// that has one.
fn retired_too_early(step: &Step, since: &str) -> Problem {
    let id = step.definition.id;
    let mut message = format!(
        "the change {id:?} is retired, and not applied here: upgrade through {since} first, the last version that has it"
    );
    if step.latest.is_none() {
        let _ = write!(
            message,
            ". If its effect exists, as in an environment made from a dump, mark it as applied: `baseline {} --reason \"..\"` (in code `Runner::baseline`)",
            quote(id)
        );
    }
    Problem::at(step.definition.location(), message)
}
