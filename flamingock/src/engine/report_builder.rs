//! Building the report of a run from its plan and the outcomes of its changes.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::execute::outcome::{ExecutionOutcome, RunState};
use super::settings::Settings;
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::decision::Decision;
use crate::plan::pipeline::Pipeline;
use crate::plan::policy::Rule;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::run::{ChangeReport, MissingChange, Outcome, Report, StageReport, TargetReport};
use crate::util::error_chain::ErrorChain;

/// The outcomes by stage and position; `None` for a change that was not reached.
pub(super) type Done = Vec<Vec<Option<(ExecutionOutcome, Duration)>>>;

/// Builds the report of a plan and the outcomes so far.
pub(super) fn report(
    settings: &Settings,
    pipeline: &Pipeline,
    plan: &Plan,
    done: &Done,
    run_id: &str,
    began: Instant,
) -> Report {
    let mut halted = vec![false; plan.stages.len()];
    let mut stages = Vec::with_capacity(plan.stages.len());
    for (index, steps) in plan.stages.iter().enumerate() {
        let stage = &pipeline.stages[index];
        let mut is_halted = stage.after.iter().any(|before| halted[*before])
            || steps
                .iter()
                .any(|step| matches!(step.decision, Decision::Issue(_)));
        // An operator undid, paused or cancelled a change in the background: those behind it wait.
        let mut waits = false;
        let mut changes = Vec::with_capacity(steps.len());
        for (place, step) in steps.iter().enumerate() {
            let executed = done.get(index).and_then(|stage| stage.get(place)?.as_ref());
            let mut change = change_report(step, executed, is_halted);
            if waits && change.outcome == Outcome::Blocked && change.issue.is_none() {
                change.outcome = Outcome::Pending;
            }
            waits |= executed.is_some_and(|(executed, _)| executed.outcome == Outcome::Pending);
            changes.push(change);
            // After the whole run has ended, the remaining changes are not blocked but not reached.
            is_halted |= matches!(step.decision, Decision::Waits(_));
            is_halted |= executed.is_some_and(|(executed, _)| {
                !executed.outcome.is_applied() && executed.run_state == RunState::GoesOn
            });
        }
        halted[index] = is_halted;
        stages.push(StageReport {
            name: stage.name.clone(),
            changes,
        });
    }
    let noted = (settings.policy.missing != Rule::Allow).then_some(&plan.missing);
    let missing = noted.into_iter().flatten().map(|entry| MissingChange {
        id: entry.change_id.clone(),
        stage: entry.stage.clone(),
        order: entry.change_order.clone(),
    });
    Report {
        run_id: run_id.to_owned(),
        service: settings.service.clone(),
        stages,
        targets: target_reports(settings, pipeline),
        missing: missing.collect(),
        warnings: unused_targets(settings, pipeline).collect(),
        duration: began.elapsed(),
    }
}

/// Returns the target systems that the changes name, with their descriptions.
pub(super) fn target_reports(settings: &Settings, pipeline: &Pipeline) -> Vec<TargetReport> {
    let names: BTreeSet<&str> = pipeline.changes().map(|change| change.target).collect();
    let describe = |name: &str| {
        let given = settings.targets.iter().find(|target| target.name == name);
        given.and_then(|target| target.description.clone())
    };
    let report = |name: &str| TargetReport {
        name: name.to_owned(),
        description: describe(name),
    };
    names.into_iter().map(report).collect()
}

/// Returns a warning for each declared target system that no change uses.
pub(super) fn unused_targets<'a>(
    settings: &'a Settings,
    pipeline: &'a Pipeline,
) -> impl Iterator<Item = String> {
    let is_used = |name: &str| pipeline.changes().any(|change| change.target == name);
    let unused = settings
        .targets
        .iter()
        .map(|target| target.name.as_str())
        .filter(move |name| !is_used(name));
    unused.map(|name| {
        format!("the target system {name:?} is given to the runner, but no change names it")
    })
}

pub(super) fn change_report(
    step: &Step,
    executed: Option<&(ExecutionOutcome, Duration)>,
    halted: bool,
) -> ChangeReport {
    let definition = step.definition;
    let mut report = ChangeReport {
        id: definition.id.to_owned(),
        order: definition.order,
        target: definition.target,
        location: definition.location(),
        outcome: Outcome::NotReached,
        duration: None,
        error: None,
        issue: None,
        notes: step.notes.clone(),
        steps: Vec::new(),
        batches: None,
        stopped: false,
        in_doubt: false,
    };
    match (executed, &step.decision) {
        (Some((executed, duration)), _) => {
            report.outcome = executed.outcome;
            // A change that did not run has no duration.
            report.duration = (executed.outcome != Outcome::NotReached).then_some(*duration);
            report.error.clone_from(&executed.error);
            report.issue.clone_from(&executed.issue);
            report.notes.extend(executed.notes.iter().cloned());
            report.steps.clone_from(&executed.steps);
            report.batches.clone_from(&executed.batches);
            report.stopped = executed.stopped;
            report.in_doubt = executed.run_state != RunState::GoesOn;
        }
        (None, Decision::Skip) => report.outcome = Outcome::AlreadyApplied,
        (None, Decision::Filtered) => report.outcome = Outcome::Filtered,
        (None, Decision::Issue(cause)) => {
            report.outcome = Outcome::Blocked;
            report.issue = Some(cause.clone());
            report.error = step.latest.as_ref().and_then(|latest| latest.error.clone());
        }
        (None, Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve)
            if halted =>
        {
            report.outcome = Outcome::Blocked;
        }
        (None, Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve) => {}
        (None, Decision::Later(decision)) => {
            report.outcome = Outcome::Pending;
            if let Some(halted) = step.halted() {
                report.outcome = Outcome::Paused;
                report.error = Some(ErrorChain::text(&halted));
            }
            if let Decision::Issue(cause) = &**decision {
                report.issue = Some(cause.clone());
                report.error = step.latest.as_ref().and_then(|latest| latest.error.clone());
            }
        }
        (None, Decision::Waits(wait)) => {
            report.outcome = Outcome::Blocked;
            report.error = Some(ErrorChain::text(&wait.to_string()));
        }
    }
    report
}

/// Turns the report into the result of the run.
pub(super) fn conclude(
    report: Report,
    run_state: RunState,
    signals: &StopSignal,
) -> Result<Report, Error> {
    if run_state == RunState::GoesOn && report.is_success() {
        return Ok(report);
    }
    Err(failure(report, run_state, signals).unwrap_or_else(|report| Error::blocked(*report)))
}

/// Returns the error of a run or an undo that did not complete; the report itself if there is no
/// such error. A failed change takes precedence over a request to stop, so that stopping the
/// application does not hide it.
pub(super) fn failure(
    mut report: Report,
    run_state: RunState,
    signals: &StopSignal,
) -> Result<Error, Box<Report>> {
    let is_cut_short =
        |change: &ChangeReport| change.stopped || change.outcome == Outcome::NotReached;
    let asked = signals.now() == StopReason::Asked;
    let cut_short = asked && report.changes().any(is_cut_short);
    let has_failed = report.changes().any(ChangeReport::has_failed);
    let is_cancelled = run_state == RunState::GoesOn && cut_short && !has_failed;
    if asked && !is_cancelled && !report.is_success() {
        report.warnings.push(STOPPED.to_owned());
    }
    match run_state {
        RunState::Lost(reason) => Ok(Error::lease_lost(reason, report)),
        RunState::Unknown => Ok(Error::in_doubt(report)),
        RunState::GoesOn if has_failed => Ok(Error::changes_failed(report)),
        RunState::GoesOn if cut_short => Ok(Error::cancelled(report)),
        RunState::GoesOn => Err(Box::new(report)),
    }
}

const STOPPED: &str = "the run was also asked to stop: what did not run is still pending";
