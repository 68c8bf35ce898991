//! Rolling back a failed change.

use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::{NewEntry, State, TransactionMode};
use crate::change::body::Body;
use crate::change::step::ROLLBACK_ELSEWHERE;
use crate::lock::append::AppendError;
use crate::plan::decision::{Cause, Decision, unless_retry};
use crate::plan::step::code;
use crate::report::run::Outcome;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::apply_steps::at;
use super::execution::Execution;
use super::outcome::{ExecutionOutcome, RunState, issue, with_unrecorded};

impl Execution<'_> {
    /// Returns the rollback that runs after a failure, if there is one.
    fn rollback_after_failure(&self) -> Option<&'static Body<()>> {
        let body = self.definition.rollback;
        body.filter(|body| !body.is_for_undo_only())
    }

    /// Creates the failure's entry that the rollback follows. If the rollback runs in a transaction
    /// of another database than the audit's, its marker is named after this entry, so that a run
    /// after a crash can find it.
    pub(super) fn failed_before_rollback(
        &self,
        attempt: &Attempt<'_>,
        error: &ErrorChain,
    ) -> NewEntry {
        let failed = attempt.entry(State::Failed, TransactionMode::None, Some(error.clone()));
        let body = self.rollback_after_failure();
        match body.map(|body| self.mode(body)) {
            Some(TransactionMode::Separate) => at(ROLLBACK_ELSEWHERE, failed),
            _ => failed,
        }
    }

    /// Rolls back a failed attempt that left something behind. FAILED is recorded already, at
    /// `place` if the rollback's marker can be named after that entry.
    pub(super) async fn roll_back(
        &self,
        attempt: &Attempt<'_>,
        error: ErrorChain,
        place: Option<i64>,
    ) -> ExecutionOutcome {
        let Some(body) = self.rollback_after_failure() else {
            return self.without_rollback(error);
        };
        let attempt = &attempt.undoing(&error);
        let own = self.own_values();
        let mode = self.mode(body);
        let (failure, unrecorded) = match (&self.target.database, &mode) {
            (Some(database), TransactionMode::Shared | TransactionMode::Separate) => {
                // The change itself may not have written a marker there, so the table may be
                // missing.
                if mode == TransactionMode::Separate
                    && let Err(error) = database.prepare_markers().await
                {
                    return self.record_unrolled(attempt, &error.into()).await;
                }
                let invocation = self.invocation(&own, false);
                let key = match (&mode, place) {
                    (TransactionMode::Separate, None) => {
                        match self.rollback_begins(attempt, &error).await {
                            Ok(key) => key,
                            Err(not_begun) => return *not_begun,
                        }
                    }
                    (_, place) => place.unwrap_or_default(),
                };
                let placement = match mode {
                    TransactionMode::Separate => AuditPlacement::OtherDatabase {
                        store: self.executor.store,
                        key,
                    },
                    _ => AuditPlacement::SameDatabase,
                };
                let transacted = self
                    .transact(attempt, body, &invocation, Purpose::Rollback, placement)
                    .await
                    .0;
                match transacted {
                    TransactionOutcome::Done { .. } if mode == TransactionMode::Shared => {
                        return ExecutionOutcome::failed(Outcome::RolledBack, error);
                    }
                    TransactionOutcome::Done { mode } => {
                        let entry = attempt.entry(State::RolledBack, mode, None);
                        let recorded = self.recorded(&[entry], error, Outcome::RolledBack).await;
                        if recorded.run_state == RunState::GoesOn {
                            database.unmark(attempt, key).await;
                        }
                        return recorded;
                    }
                    TransactionOutcome::NotRun { cause } => {
                        return self.record_unrolled(attempt, &cause).await;
                    }
                    TransactionOutcome::RolledBack { cause, unrecorded }
                    | TransactionOutcome::LeftBehind { cause, unrecorded } => {
                        (chain(&cause), unrecorded)
                    }
                    TransactionOutcome::Lost { reason } => return ExecutionOutcome::lost(reason),
                    TransactionOutcome::Unknown { cause } => {
                        return ExecutionOutcome::unknown(attempt.reason(&chain(&cause)));
                    }
                }
            }
            _ => {
                let invocation = self.invocation(&own, false);
                let called = self.call(body, &invocation).await;
                if let Ended::Lost(reason) = called.ended {
                    return ExecutionOutcome::lost(reason);
                }
                let (state, recorded) = match called.ended.into_result() {
                    Ok(()) => (State::RolledBack, None),
                    Err(cause) => (State::RollbackFailed, Some(attempt.reason(&chain(&cause)))),
                };
                let entry = attempt.entry(state, TransactionMode::None, recorded.clone());
                match (self.executor.append_retrying(&[entry]).await, recorded) {
                    (Ok(()), None) => return ExecutionOutcome::failed(Outcome::RolledBack, error),
                    (Ok(()), Some(recorded)) => {
                        return self.rollback_failed(recorded);
                    }
                    (Err(AppendError::Lost(reason)), _) => return ExecutionOutcome::lost(reason),
                    (Err(AppendError::Failed(unwritten)), recorded) => {
                        (recorded.unwrap_or_else(|| error.clone()), Some(unwritten))
                    }
                }
            }
        };
        match unrecorded {
            None => self.rollback_failed(attempt.reason(&failure)),
            Some(unwritten) => ExecutionOutcome::unknown(with_unrecorded(
                attempt.reason(&failure),
                Some(unwritten),
            )),
        }
    }

    /// Records that the rollback begins, if the failure's own entry does not.
    async fn rollback_begins(
        &self,
        attempt: &Attempt<'_>,
        error: &ErrorChain,
    ) -> Result<i64, Box<ExecutionOutcome>> {
        let begins = self.failed_before_rollback(attempt, error);
        let recorded = self.executor.append_for_place(&[begins]).await;
        recorded.map_err(|unwritten| {
            Box::new(match unwritten {
                AppendError::Lost(reason) => ExecutionOutcome::lost(reason),
                AppendError::Failed(unwritten) => {
                    ExecutionOutcome::unknown(with_unrecorded(error.clone(), Some(unwritten)))
                }
            })
        })
    }

    pub(super) async fn record_unrolled(
        &self,
        attempt: &Attempt<'_>,
        cause: &BoxError,
    ) -> ExecutionOutcome {
        let recorded = attempt.reason(&chain(cause));
        let entry = attempt.entry(
            State::RollbackFailed,
            TransactionMode::None,
            Some(recorded.clone()),
        );
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) => self.rollback_failed(recorded),
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(unwritten)) => {
                ExecutionOutcome::unknown(with_unrecorded(recorded, Some(unwritten)))
            }
        }
    }

    /// Leaves the change FAILED: it has no rollback, or a part of it may still be running. The
    /// outcome is what the next run will conclude from that entry.
    pub(super) fn without_rollback(&self, error: ErrorChain) -> ExecutionOutcome {
        self.stands(Cause::Failed, error)
    }

    pub(super) fn rollback_failed(&self, error: ErrorChain) -> ExecutionOutcome {
        self.stands(Cause::RollbackFailed, error)
    }

    /// Concludes from the recovery setting. With `recovery = "retry"`, the author declares that the
    /// change is safe to run again, even while an earlier attempt may still be running.
    fn stands(&self, cause: Cause, error: ErrorChain) -> ExecutionOutcome {
        match unless_retry(code(self.definition), cause) {
            Decision::Issue(cause) => issue(cause, error),
            Decision::Apply
            | Decision::Skip
            | Decision::Again
            | Decision::Verify(_)
            | Decision::Resolve
            | Decision::Filtered
            | Decision::Later(_)
            | Decision::Waits(_) => ExecutionOutcome::failed(Outcome::Failed, error),
        }
    }
}
