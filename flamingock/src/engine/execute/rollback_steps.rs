//! Rolling back non-transactional steps, last first. Each rollback is recorded before it begins.

use crate::change::step::ObserveSteps as _;
use std::time::Instant;

use crate::audit::attempt::Attempt;
use crate::audit::entry::{NewEntry, State, TransactionMode};
use crate::change::body::Step;
use crate::change::step::Direction;
use crate::change::step::{ROLLING_BACK, place};
use crate::lock::append::AppendError;
use crate::plan::decision::Cause;
use crate::report::run::Outcome;
use crate::target::invocation::Ended;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::apply_steps::{Deadline, at};
use super::execution::Execution;
use super::outcome::{ExecutionOutcome, NO_CONNECTION, introduced, issue, with_unrecorded};

/// How the rollback of the steps ended.
enum StepsEnd {
    /// All steps are rolled back.
    Back,
    /// The rollback of a step did not run: there was no connection for it.
    NotRun { place: String, error: ErrorChain },
    /// The rollback of a step failed.
    Failed { place: String, error: ErrorChain },
    /// An entry could not be written, and the rollback of its step did not begin.
    AppendError(AppendError),
    /// The lock has, or may have, another owner.
    Lost(String),
}

impl Execution<'_> {
    /// Rolls back the steps that a failed attempt reached. FAILED is recorded already, and remains
    /// the state until all steps are rolled back.
    pub(super) async fn roll_back_steps(
        &self,
        attempt: &Attempt<'_>,
        steps: &'static [Step],
        reached: usize,
        error: ErrorChain,
    ) -> ExecutionOutcome {
        let mode = TransactionMode::None;
        let attempt = &attempt.undoing(&error);
        let failed = || attempt.entry(State::Failed, TransactionMode::None, Some(error.clone()));
        let walked = self
            .walk_back(&steps[..reached], steps.len(), |place| {
                at(&format!("{ROLLING_BACK} {place}"), failed())
            })
            .await;
        let (state, place, recorded) = match walked {
            StepsEnd::Back => (State::RolledBack, None, None),
            StepsEnd::NotRun { place, error } | StepsEnd::Failed { place, error } => {
                let recorded = attempt.reason(&error);
                (State::RollbackFailed, Some(place), Some(recorded))
            }
            StepsEnd::Lost(reason) | StepsEnd::AppendError(AppendError::Lost(reason)) => {
                return ExecutionOutcome::lost(reason);
            }
            StepsEnd::AppendError(AppendError::Failed(unwritten)) => {
                return ExecutionOutcome::unknown(with_unrecorded(error, Some(unwritten)));
            }
        };
        let mut entry = attempt.entry(state, mode, recorded.clone());
        entry.reason = place.map(|place| format!("{ROLLING_BACK} {place}"));
        match (self.executor.append_retrying(&[entry]).await, recorded) {
            (Ok(()), None) => ExecutionOutcome::failed(Outcome::RolledBack, error),
            (Ok(()), Some(recorded)) => self.rollback_failed(recorded),
            (Err(AppendError::Lost(reason)), _) => ExecutionOutcome::lost(reason),
            (Err(AppendError::Failed(unwritten)), recorded) => ExecutionOutcome::unknown(
                with_unrecorded(recorded.unwrap_or(error), Some(unwritten)),
            ),
        }
    }

    /// Undoes the steps of an applied change.
    pub(super) async fn undo_steps(
        &self,
        attempt: &Attempt<'_>,
        steps: &'static [Step],
    ) -> ExecutionOutcome {
        let mode = TransactionMode::None;
        self.step_progress.assume_applied(steps.len());
        let last = place(steps.len() - 1, steps.len());
        let walked = self
            .walk_back(steps, steps.len(), |place| {
                at(&format!("undoing {place}"), attempt.started(mode.clone()))
            })
            .await;
        match walked {
            StepsEnd::Back => self.undone(attempt, mode).await,
            StepsEnd::NotRun { place, error } if place == last => {
                let entry = attempt.entry(State::Applied, mode, Some(error.clone()));
                self.recorded(&[entry], error, Outcome::Failed).await
            }
            StepsEnd::NotRun { place, error } | StepsEnd::Failed { place, error } => {
                let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
                let entry = at(&format!("undoing {place}"), entry);
                let failed = self.recorded(&[entry], error, Outcome::Failed).await;
                ExecutionOutcome {
                    issue: Some(Cause::UndoInterrupted),
                    ..failed
                }
            }
            StepsEnd::Lost(reason) | StepsEnd::AppendError(AppendError::Lost(reason)) => {
                ExecutionOutcome::lost(reason)
            }
            StepsEnd::AppendError(unwritten) if self.step_progress.is_untouched() => {
                self.undo_not_started(attempt, mode, unwritten).await
            }
            StepsEnd::AppendError(AppendError::Failed(error)) => {
                let text = "a step of the undo did not run: its start could not be recorded";
                let error = introduced(text, &ErrorChain::of(&error));
                issue(Cause::UndoInterrupted, error)
            }
        }
    }

    /// Calls the rollbacks of these steps, last first, each after its entry is recorded.
    async fn walk_back(
        &self,
        steps: &'static [Step],
        count: usize,
        entry: impl Fn(&str) -> NewEntry + Send,
    ) -> StepsEnd {
        let own = self.own_values();
        let invocation = self.invocation(&own, false);
        let deadline = Deadline::new(self.definition.timeout);
        for (index, step) in steps.iter().enumerate().rev() {
            let Some(body) = &step.rollback else {
                continue;
            };
            let place = place(index, count);
            if let Some(error) = deadline.is_over() {
                let introduction = format!("the rollback of {place} did not run");
                let error = introduced(&introduction, &error);
                return StepsEnd::Failed { place, error };
            }
            self.tell_activity(&format!("{ROLLING_BACK} {place}"));
            let recorded = self.executor.append_retrying(&[entry(&place)]).await;
            if let Err(unwritten) = recorded {
                return StepsEnd::AppendError(unwritten);
            }
            let began = Instant::now();
            self.step_progress.begin(index, Direction::Backward);
            let called = self.call(body, &deadline.limit(&invocation)).await;
            let result = match deadline.told(called.ended) {
                Ended::Lost(reason) => return StepsEnd::Lost(reason),
                Ended::NotRun(cause) => {
                    let error = introduced(NO_CONNECTION, &chain(&cause));
                    return StepsEnd::NotRun { place, error };
                }
                ended => ended.into_result(),
            };
            let error = result.as_ref().err().map(chain);
            self.step_progress
                .end(index, Direction::Backward, began.elapsed(), error.clone());
            if let Some(error) = error {
                let introduction = Direction::Backward.failed(index, count);
                let error = introduced(&introduction, &error);
                return StepsEnd::Failed { place, error };
            }
        }
        StepsEnd::Back
    }
}
