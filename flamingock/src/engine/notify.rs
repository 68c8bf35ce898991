//! The events about a run's plan and its changes.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::execute::outcome::ExecutionOutcome;
use super::prepare::Prepared;
use super::report_builder::change_report;
use crate::change::definition::Definition;
use crate::listener::EventKind;
use crate::plan::decision::Decision;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
use crate::report::run::Outcome;
use crate::util::error_chain::ErrorChain;

impl Prepared {
    /// Sends how many changes there are to run, and the issues that exist before anything runs.
    pub(super) fn tell_plan(&self, plan: &Plan) {
        if !self.events.are_heard() {
            return;
        }
        let is_work = |step: &&Step| match step.decision {
            Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve => true,
            Decision::Skip
            | Decision::Issue(_)
            | Decision::Filtered
            | Decision::Later(_)
            | Decision::Waits(_) => false,
        };
        self.events.emit(EventKind::Planned {
            changes: plan.steps().filter(is_work).count(),
        });
        self.events.issues(&self.report(plan, &Vec::new()));
    }

    pub(super) fn tell_start(&self, step: &Step, attempt: u32) {
        if !self.events.are_heard() {
            return;
        }
        let definition = step.definition;
        self.events.emit(EventKind::ChangeStarted {
            id: definition.id.to_owned(),
            order: definition.order.to_owned(),
            stage: definition.stage.to_owned(),
            target: definition.target.to_owned(),
            attempt,
        });
    }

    /// Returns the outcome of a change whose target system is not ready, and sends it.
    pub(super) fn not_started(
        &self,
        step: &Step,
        attempt: u32,
        error: ErrorChain,
    ) -> (ExecutionOutcome, Duration) {
        let ended = (
            ExecutionOutcome::failed(Outcome::NotReached, error),
            Duration::ZERO,
        );
        self.tell_end(step, attempt, &ended);
        ended
    }

    /// Ends a change whose beginning was sent and that was not reached after all.
    pub(super) fn tell_not_reached(&self, step: &Step) {
        if self.events.are_heard() {
            let report = change_report(step, None, true);
            let stage = step.definition.stage;
            self.events.change_ended(stage, step.attempt, report);
        }
    }

    pub(super) fn tell_end(&self, step: &Step, attempt: u32, ended: &(ExecutionOutcome, Duration)) {
        if !self.events.are_heard() {
            return;
        }
        let report = change_report(step, Some(ended), false);
        let stage = step.definition.stage;
        self.events.change_ended(stage, attempt, report);
    }
}

/// Returns the number of the attempt that applied a change, which an undo or a verify function is
/// about. For a change that was never attempted, returns that of the next attempt.
pub(super) fn applied_by(step: &Step) -> u32 {
    step.latest
        .as_ref()
        .map_or(step.attempt, |latest| latest.attempt)
}

/// Runs work on one change in its own tracing span, and logs the outcome.
pub(super) async fn logged(
    definition: &Definition,
    attempt: u32,
    work: impl Future<Output = ExecutionOutcome>,
) -> ExecutionOutcome {
    let span = tracing::info_span!("change", change.id = definition.id, attempt);
    span.in_scope(|| tracing::debug!("change begins"));
    let began = Instant::now();
    let executed = work.instrument(span.clone()).await;
    span.in_scope(|| log_outcome(definition, attempt, &executed, began.elapsed()));
    executed
}

/// Logs the outcome of a change: a message that stays the same from version to version, and the facts as
/// fields.
pub(super) fn log_outcome(
    definition: &Definition,
    attempt: u32,
    executed: &ExecutionOutcome,
    took: Duration,
) {
    let (id, stage, target) = (definition.id, definition.stage, definition.target);
    let outcome = executed.outcome.as_str();
    // To the microsecond, as in the audit.
    let duration_ms = (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let message = match executed.outcome {
        Outcome::NewlyApplied => "change applied",
        Outcome::AlreadyApplied => "change already applied",
        Outcome::Failed => "change failed",
        Outcome::RolledBack => "change failed and rolled back",
        Outcome::Undone => "change undone",
        Outcome::Blocked => "change blocked",
        Outcome::NotReached => "change not reached",
        Outcome::Filtered => "change not selected by tags",
        Outcome::Pending => "change pending in the background",
        Outcome::Paused => "change paused",
    };
    match &executed.error {
        None => tracing::info!(
            change.id = id,
            stage,
            target,
            outcome,
            attempt,
            duration_ms,
            "{message}"
        ),
        Some(error) => tracing::error!(
            change.id = id,
            stage,
            target,
            outcome,
            attempt,
            duration_ms,
            %error,
            "{message}"
        ),
    }
}
