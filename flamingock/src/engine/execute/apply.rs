//! Applying a change, in each transaction mode.

use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::{State, TransactionMode};
use crate::change::argument::{Session, Values};
use crate::change::body::Body;
use crate::lock::append::AppendError;
use crate::plan::note::Note;
use crate::report::run::Outcome;
use crate::target::database::{AuditPlacement, Called, ForeignMarkers, TransactionOutcome};
use crate::target::invocation::{Ended, Invocation};
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::execution::Execution;
use super::outcome::{
    ExecutionOutcome, NO_CONNECTION, NOT_RECORDED, NOT_RUN, applied, introduced, no_database,
    takes_connection, with_unrecorded,
};

impl Execution<'_> {
    pub(super) async fn apply(&self, attempt: Attempt<'_>) -> ExecutionOutcome {
        if let Some(cursor) = self.definition.body.cursor() {
            return self.apply_batches(&attempt, cursor).await;
        }
        match self.mode(&self.definition.body) {
            TransactionMode::Shared => self.apply_shared(&attempt).await,
            TransactionMode::Separate => self.apply_separate(&attempt).await,
            TransactionMode::None | TransactionMode::Unknown(_) => self.apply_plain(&attempt).await,
        }
    }

    pub(super) async fn apply_shared(&self, attempt: &Attempt<'_>) -> ExecutionOutcome {
        let own = self.own_values();
        let body = &self.definition.body;
        let invocation = self.invocation(&own, true);
        let (transacted, retries) = self
            .transact(
                attempt,
                body,
                &invocation,
                Purpose::Apply,
                AuditPlacement::SameDatabase,
            )
            .await;
        let executed = match transacted {
            TransactionOutcome::Done { mode } => applied(&mode),
            failed => self.not_applied(attempt, failed).await,
        };
        if retries > 0 {
            executed.with(Note::Retried { times: retries })
        } else {
            executed
        }
    }

    /// Applies a change in a transaction of another database than the audit's. The attempt is
    /// recorded before it begins, and a marker in the transaction shows afterwards whether it was
    /// committed.
    pub(super) async fn apply_separate(&self, attempt: &Attempt<'_>) -> ExecutionOutcome {
        let Some(database) = &self.target.database else {
            return no_database();
        };
        let mode = TransactionMode::Separate;
        if let Err(error) = database.prepare_markers().await {
            return ExecutionOutcome::failed(
                Outcome::RolledBack,
                introduced(NOT_RUN, &ErrorChain::of(&error)),
            );
        }
        let key = match self.executor.append(&[attempt.started(mode.clone())]).await {
            Ok(key) => key,
            Err(unwritten) => return self.not_started(attempt, mode, unwritten).await,
        };
        let own = self.own_values();
        let body = &self.definition.body;
        let invocation = self.invocation(&own, true);
        let placement = AuditPlacement::OtherDatabase {
            store: self.executor.store,
            key,
        };
        let (transacted, retries) = self
            .transact(attempt, body, &invocation, Purpose::Apply, placement)
            .await;
        let executed = match transacted {
            TransactionOutcome::Done { mode } => {
                let midway = mode == TransactionMode::None;
                let recorded = self.record_applied(attempt, mode).await;
                if recorded.outcome == Outcome::NewlyApplied {
                    database.unmark(attempt, key).await;
                }
                if midway {
                    recorded.with(Note::CommittedMidway)
                } else {
                    recorded
                }
            }
            TransactionOutcome::NotRun { cause } if cause.is::<ForeignMarkers>() => {
                match cause.downcast::<ForeignMarkers>() {
                    Ok(markers) => self.foreign_markers(attempt, *markers).await,
                    Err(cause) => ExecutionOutcome::unknown(chain(&cause)),
                }
            }
            TransactionOutcome::NotRun { cause } => {
                // The attempt is recorded as started, and is known not to have run.
                let error = introduced(NOT_RUN, &chain(&cause));
                let entries = attempt.nothing_left(&mode, Some(error.clone()));
                self.recorded(&entries, error, Outcome::RolledBack).await
            }
            failed => self.not_applied(attempt, failed).await,
        };
        if retries > 0 {
            executed.with(Note::Retried { times: retries })
        } else {
            executed
        }
    }

    /// Records a transaction that was not completed.
    pub(super) async fn not_applied(
        &self,
        attempt: &Attempt<'_>,
        transacted: TransactionOutcome,
    ) -> ExecutionOutcome {
        let stopped = transacted.was_stopped();
        let executed = match transacted {
            TransactionOutcome::Done { mode } => applied(&mode),
            TransactionOutcome::NotRun { cause } => {
                ExecutionOutcome::failed(Outcome::RolledBack, introduced(NOT_RUN, &chain(&cause)))
            }
            TransactionOutcome::RolledBack { cause, unrecorded } => ExecutionOutcome::failed(
                Outcome::RolledBack,
                with_unrecorded(chain(&cause), unrecorded),
            ),
            TransactionOutcome::LeftBehind {
                cause,
                unrecorded: None,
            } => self
                .roll_back(attempt, chain(&cause), None)
                .await
                .with(Note::CommittedMidway),
            TransactionOutcome::LeftBehind {
                cause,
                unrecorded: Some(error),
            } => ExecutionOutcome::unknown(with_unrecorded(chain(&cause), Some(error))),
            TransactionOutcome::Lost { reason } => ExecutionOutcome::lost(reason),
            TransactionOutcome::Unknown { cause } => ExecutionOutcome::unknown(introduced(
                "the connection was lost, and it could not be found out whether the change was committed: the next start finds out",
                &chain(&cause),
            )),
        };
        ExecutionOutcome {
            stopped,
            ..executed
        }
    }

    /// Applies a non-transactional change. The attempt is recorded before it begins.
    pub(super) async fn apply_plain(&self, attempt: &Attempt<'_>) -> ExecutionOutcome {
        if let Some(refused) = self.refused(&self.definition.body).await {
            return refused;
        }
        if let Some(steps) = self.definition.body.steps() {
            return self.apply_steps(attempt, steps).await;
        }
        let mode = TransactionMode::None;
        if let Err(unwritten) = self.executor.append(&[attempt.started(mode.clone())]).await {
            return self.not_started(attempt, mode, unwritten).await;
        }
        let own = self.own_values();
        let invocation = self.applying(&own);
        let called = self.call(&self.definition.body, &invocation).await;
        if let Ended::Lost(reason) = called.ended {
            return ExecutionOutcome::lost(reason);
        }
        if let Ended::NotRun(cause) = called.ended {
            let error = introduced(NO_CONNECTION, &chain(&cause));
            let entries = attempt.nothing_left(&mode, Some(error.clone()));
            return self.recorded(&entries, error, Outcome::RolledBack).await;
        }
        let has_stopped = called.has_stopped;
        match called.ended.into_result() {
            Ok(()) => self.record_applied(attempt, mode).await,
            Err(cause) => {
                let mut error = chain(&cause);
                if !has_stopped {
                    error = error.and("it was not rolled back: a part of it may still be running");
                }
                let entry = if has_stopped {
                    self.failed_before_rollback(attempt, &error)
                } else {
                    attempt.entry(State::Failed, mode, Some(error.clone()))
                };
                match self.executor.append_for_place(&[entry]).await {
                    Ok(place) if has_stopped => self.roll_back(attempt, error, Some(place)).await,
                    Ok(_) => self.without_rollback(error),
                    Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
                    Err(AppendError::Failed(unrecorded)) => {
                        ExecutionOutcome::unknown(with_unrecorded(error, Some(unrecorded)))
                    }
                }
            }
        }
    }

    /// Returns the invocation of a non-transactional change, whose earlier attempts may have left
    /// something behind.
    pub(super) fn applying<'a>(&'a self, own: &'a Values) -> Invocation<'a> {
        Invocation {
            earlier: self.number.saturating_sub(1),
            ..self.invocation(own, false)
        }
    }

    pub(super) async fn record_applied(
        &self,
        attempt: &Attempt<'_>,
        mode: TransactionMode,
    ) -> ExecutionOutcome {
        let entry = attempt.entry(State::Applied, mode, None);
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) => ExecutionOutcome::new(Outcome::NewlyApplied),
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(error)) => ExecutionOutcome::unknown(with_unrecorded(
                ErrorChain::text("the change succeeded, but that is not on record"),
                Some(error),
            )),
        }
    }

    /// Reports that the change did not run. Its first entry may exist all the same, if only the
    /// answer was lost.
    pub(super) async fn not_started(
        &self,
        attempt: &Attempt<'_>,
        mode: TransactionMode,
        unwritten: AppendError,
    ) -> ExecutionOutcome {
        let error = match unwritten {
            AppendError::Lost(reason) => return ExecutionOutcome::lost(reason),
            AppendError::Failed(error) => error,
        };
        let text = introduced(NOT_RECORDED, &ErrorChain::of(&error));
        let works_in_batches = self.definition.body.cursor().is_some();
        if self.start_may_be_on_record(attempt, &error).await {
            // After ROLLED_BACK the change would begin anew, but earlier attempts may have committed
            // batches.
            if works_in_batches {
                return self.failed_in_batches(attempt, mode, text).await;
            }
            let entries = attempt.nothing_left(&mode, Some(text.clone()));
            return self.recorded(&entries, text, Outcome::RolledBack).await;
        }
        let outcome = if works_in_batches {
            Outcome::NotReached
        } else {
            Outcome::RolledBack
        };
        ExecutionOutcome::failed(outcome, text)
    }

    pub(super) async fn call(
        &self,
        body: &'static Body<()>,
        invocation: &Invocation<'_>,
    ) -> Called<()> {
        match &self.target.database {
            Some(database) if takes_connection(body) => {
                let _turn = self.executor.turns.of_connection(&**database).await;
                match self.executor.lease.confirm().await {
                    Ok(()) => database.call(body, invocation).await,
                    Err(reason) => not_called(reason),
                }
            }
            _ => {
                self.release_cached();
                if let Err(reason) = self.executor.lease.confirm().await {
                    return not_called(reason);
                }
                let ended = invocation.call(body, Session::none()).await;
                // A client of the user's own may still be running something after its future was
                // dropped.
                let has_stopped = !ended.is_interrupted();
                Called { ended, has_stopped }
            }
        }
    }
}

/// The lock has another owner, so the function is not called.
fn not_called(reason: String) -> Called<()> {
    Called {
        ended: Ended::Lost(reason),
        has_stopped: true,
    }
}
