//! Undoing an applied change.

use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::{Origin, State, TransactionMode};
use crate::change::body::Body;
use crate::lock::append::AppendError;
use crate::plan::decision::Cause;
use crate::plan::step::Step;
use crate::report::run::Outcome;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::target::invocation::Ended;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::execution::Execution;
use super::executor::Executor;
use super::outcome::{
    ExecutionOutcome, NO_CONNECTION, NOT_RUN, RunState, introduced, issue, moved, with_unrecorded,
};

impl Executor<'_> {
    /// Undoes an applied change.
    pub(crate) async fn undo(&self, step: &Step) -> ExecutionOutcome {
        let Some(body) = step.definition.rollback else {
            return ExecutionOutcome::failed(
                Outcome::Failed,
                ErrorChain::text("it has no rollback"),
            );
        };
        if moved(step) {
            let text = "it was applied at another target system than its code now names";
            return ExecutionOutcome::failed(Outcome::Failed, ErrorChain::text(text));
        }
        let number = step
            .latest
            .as_ref()
            .map_or(step.attempt, |latest| latest.attempt);
        let mut one = match self.one(step, number).await {
            Ok(one) => one,
            Err(not_started) => return *not_started,
        };
        if step.is_half_undone() {
            one.is_undone_next = true;
            match one.finish_undo(step).await {
                Some(ended) => return ended,
                None => tracing::info!("an interrupted undo left it applied"),
            }
        }
        let mut attempt = self.attempt(step, Origin::Undo);
        attempt.number = number;
        if let Some(latest) = &step.latest {
            attempt.digest.clone_from(&latest.digest);
        }
        if body.cursor().is_some() || step.is_rolling_back() || step.is_cancelled() {
            return one.undo_batches(step, attempt, body).await;
        }
        let undone = one.undo(&attempt, body).await;
        let undone = one.with_steps(undone);
        match undone.issue {
            // The next run calls the verify function, and only makes the change an issue if that
            // fails.
            Some(Cause::UndoInterrupted) if step.definition.verify.is_some() => ExecutionOutcome {
                issue: None,
                ..undone
            },
            _ => undone,
        }
    }
}

impl Execution<'_> {
    /// Resolves an interrupted undo first. Returns `None` if the change is still applied.
    async fn finish_undo(&self, step: &Step) -> Option<ExecutionOutcome> {
        let decided_by_plan = self.decided_by_plan(step).await?;
        match decided_by_plan.outcome {
            Outcome::AlreadyApplied => None,
            Outcome::RolledBack if decided_by_plan.run_state == RunState::GoesOn => {
                Some(ExecutionOutcome {
                    outcome: Outcome::Undone,
                    error: None,
                    ..decided_by_plan
                })
            }
            Outcome::RolledBack
            | Outcome::Undone
            | Outcome::NewlyApplied
            | Outcome::Failed
            | Outcome::Blocked
            | Outcome::NotReached
            | Outcome::Pending
            | Outcome::Paused
            | Outcome::Filtered => Some(decided_by_plan),
        }
    }

    /// Runs the rollback of an applied change.
    async fn undo(&self, attempt: &Attempt<'_>, body: &'static Body<()>) -> ExecutionOutcome {
        let mode = self.mode(body);
        if mode == TransactionMode::None
            && let Some(refused) = self.refused(body).await
        {
            return refused;
        }
        if let Some(steps) = body.steps() {
            if mode == TransactionMode::None {
                return self.undo_steps(attempt, steps).await;
            }
            self.step_progress.assume_applied(steps.len());
        }
        let own = self.own_values();
        if let (Some(database), TransactionMode::Separate) = (&self.target.database, &mode)
            && let Err(error) = database.prepare_markers().await
        {
            let error = introduced(NOT_RUN, &ErrorChain::of(&error));
            return ExecutionOutcome::failed(Outcome::Failed, error);
        }
        let key = match mode {
            TransactionMode::Shared => 0,
            _ => match self.executor.append(&[attempt.started(mode.clone())]).await {
                Ok(key) => key,
                Err(unwritten) => return self.undo_not_started(attempt, mode, unwritten).await,
            },
        };
        let invocation = self.invocation(&own, mode != TransactionMode::None);
        let (Some(database), true) = (&self.target.database, mode != TransactionMode::None) else {
            let called = self.call(body, &invocation).await;
            if let Ended::Lost(reason) = called.ended {
                return ExecutionOutcome::lost(reason);
            }
            if let Ended::NotRun(cause) = called.ended {
                let error = introduced(NO_CONNECTION, &chain(&cause));
                let entry = attempt.entry(State::Applied, mode, Some(error.clone()));
                return self.recorded(&[entry], error, Outcome::Failed).await;
            }
            return match called.ended.into_result() {
                Ok(()) => self.undone(attempt, mode).await,
                Err(cause) => {
                    let error = chain(&cause);
                    let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
                    let failed = self.recorded(&[entry], error, Outcome::Failed).await;
                    ExecutionOutcome {
                        issue: Some(Cause::UndoInterrupted),
                        ..failed
                    }
                }
            };
        };
        let placement = match mode {
            TransactionMode::Separate => AuditPlacement::OtherDatabase {
                store: self.executor.store,
                key,
            },
            _ => AuditPlacement::SameDatabase,
        };
        let transacted = self
            .transact(attempt, body, &invocation, Purpose::Undo, placement)
            .await
            .0;
        let stopped = transacted.was_stopped();
        let executed = match transacted {
            TransactionOutcome::Done { mode: done } if mode == TransactionMode::Separate => {
                let undone = self.undone(attempt, done).await;
                // Until the outcome is recorded, the marker is the only proof of it.
                if undone.run_state == RunState::GoesOn {
                    database.unmark(attempt, key).await;
                }
                undone
            }
            TransactionOutcome::Done { .. } => ExecutionOutcome::new(Outcome::Undone),
            TransactionOutcome::NotRun { cause } if mode == TransactionMode::Shared => {
                ExecutionOutcome::failed(Outcome::Failed, introduced(NOT_RUN, &chain(&cause)))
            }
            TransactionOutcome::NotRun { cause } => {
                let error = introduced(NOT_RUN, &chain(&cause));
                let entry = attempt.entry(State::Applied, mode, Some(error.clone()));
                self.recorded(&[entry], error, Outcome::Failed).await
            }
            TransactionOutcome::RolledBack { cause, unrecorded } => {
                // The database restored the steps that the rollback had reversed.
                self.step_progress
                    .assume_applied(body.steps().map_or(0, <[_]>::len));
                ExecutionOutcome::failed(
                    Outcome::Failed,
                    with_unrecorded(chain(&cause), unrecorded),
                )
            }
            TransactionOutcome::LeftBehind {
                cause,
                unrecorded: None,
            } => issue(Cause::UndoInterrupted, chain(&cause)),
            TransactionOutcome::LeftBehind { cause, unrecorded } => {
                ExecutionOutcome::unknown(with_unrecorded(chain(&cause), unrecorded))
            }
            TransactionOutcome::Lost { reason } => ExecutionOutcome::lost(reason),
            TransactionOutcome::Unknown { cause } => ExecutionOutcome::unknown(chain(&cause)),
        };
        ExecutionOutcome {
            stopped,
            ..executed
        }
    }

    /// Reports that the undo did not run, so the change is still applied. Its first entry may exist
    /// all the same, and would become an issue about an undo that never ran.
    pub(super) async fn undo_not_started(
        &self,
        attempt: &Attempt<'_>,
        mode: TransactionMode,
        unwritten: AppendError,
    ) -> ExecutionOutcome {
        let error = match unwritten {
            AppendError::Lost(reason) => return ExecutionOutcome::lost(reason),
            AppendError::Failed(error) => error,
        };
        let text = "the undo did not run: its start could not be recorded";
        let text = introduced(text, &ErrorChain::of(&error));
        if self.start_may_be_on_record(attempt, &error).await {
            let entry = attempt.entry(State::Applied, mode, Some(text.clone()));
            return self.recorded(&[entry], text, Outcome::Failed).await;
        }
        ExecutionOutcome::failed(Outcome::Failed, text)
    }

    pub(super) async fn undone(
        &self,
        attempt: &Attempt<'_>,
        mode: TransactionMode,
    ) -> ExecutionOutcome {
        let entry = attempt.entry(State::RolledBack, mode, None);
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) => ExecutionOutcome::new(Outcome::Undone),
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(error)) => ExecutionOutcome::unknown(with_unrecorded(
                ErrorChain::text("the undo succeeded, but that is not on record"),
                Some(error),
            )),
        }
    }
}
