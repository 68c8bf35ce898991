//! Rolling a failed change back.

use crate::attempt::{Attempt, Purpose};
use crate::audit::{ErrorChain, State, TransactionMode};
use crate::call::{Ended, chain};
use crate::change::BoxError;
use crate::database::{Books, Transacted};
use crate::decision::{Cause, Decision, unless_retry};
use crate::plan::code;
use crate::recording::Unwritten;
use crate::report::Outcome;

use super::{Executed, Fate, One, issue, with_unrecorded};

impl One<'_> {
    /// Runs the rollback of a failed attempt that left something behind; FAILED is on record.
    pub(super) async fn roll_back(&self, attempt: &Attempt<'_>, error: ErrorChain) -> Executed {
        let body = self.definition.rollback;
        let Some(body) = body.filter(|body| !body.is_for_undo_only()) else {
            return self.without_rollback(error);
        };
        let attempt = &attempt.undoing(&error);
        let own = self.own_values();
        let mode = self.mode(body);
        let (failure, unrecorded) = match (&self.target.database, &mode) {
            (Some(database), TransactionMode::Shared | TransactionMode::Separate) => {
                // The change itself may have left no marker there yet.
                if mode == TransactionMode::Separate
                    && let Err(error) = database.prepare_markers().await
                {
                    return self.record_unrolled(attempt, &error.into()).await;
                }
                let invocation = self.invocation(&own, false);
                let key = rand::random::<u32>().into();
                let books = match mode {
                    TransactionMode::Separate => Books::Elsewhere {
                        store: self.executor.store,
                        key,
                    },
                    _ => Books::Here,
                };
                let transacted = self
                    .transact(attempt, body, &invocation, Purpose::Rollback, books)
                    .await
                    .0;
                match transacted {
                    Transacted::Done { .. } if mode == TransactionMode::Shared => {
                        return Executed::failed(Outcome::RolledBack, error);
                    }
                    Transacted::Done { mode } => {
                        let entry = attempt.entry(State::RolledBack, mode, None);
                        let recorded = self.recorded(&[entry], error, Outcome::RolledBack).await;
                        if recorded.fate == Fate::GoesOn {
                            database.unmark(attempt, key).await;
                        }
                        return recorded;
                    }
                    Transacted::NotRun { cause } => {
                        return self.record_unrolled(attempt, &cause).await;
                    }
                    Transacted::Undone { cause, unrecorded }
                    | Transacted::LeftBehind { cause, unrecorded } => (chain(&cause), unrecorded),
                    Transacted::Lost { reason } => return Executed::lost(reason),
                    Transacted::Unknown { cause } => {
                        return Executed::unknown(attempt.reason(&chain(&cause)));
                    }
                }
            }
            _ => {
                let invocation = self.invocation(&own, false);
                let called = self.call(body, &invocation).await;
                if let Ended::Lost(reason) = called.ended {
                    return Executed::lost(reason);
                }
                let (state, recorded) = match called.ended.into_result() {
                    Ok(()) => (State::RolledBack, None),
                    Err(cause) => (State::RollbackFailed, Some(attempt.reason(&chain(&cause)))),
                };
                let entry = attempt.entry(state, TransactionMode::None, recorded.clone());
                match (self.executor.append_insisting(&[entry]).await, recorded) {
                    (Ok(()), None) => return Executed::failed(Outcome::RolledBack, error),
                    (Ok(()), Some(recorded)) => {
                        return self.rollback_failed(recorded);
                    }
                    (Err(Unwritten::Lost(reason)), _) => return Executed::lost(reason),
                    (Err(Unwritten::Failed(unwritten)), recorded) => {
                        (recorded.unwrap_or_else(|| error.clone()), Some(unwritten))
                    }
                }
            }
        };
        match unrecorded {
            None => self.rollback_failed(attempt.reason(&failure)),
            Some(unwritten) => {
                Executed::unknown(with_unrecorded(attempt.reason(&failure), Some(unwritten)))
            }
        }
    }

    pub(super) async fn record_unrolled(
        &self,
        attempt: &Attempt<'_>,
        cause: &BoxError,
    ) -> Executed {
        let recorded = attempt.reason(&chain(cause));
        let entry = attempt.entry(
            State::RollbackFailed,
            TransactionMode::None,
            Some(recorded.clone()),
        );
        match self.executor.append_insisting(&[entry]).await {
            Ok(()) => self.rollback_failed(recorded),
            Err(Unwritten::Lost(reason)) => Executed::lost(reason),
            Err(Unwritten::Failed(unwritten)) => {
                Executed::unknown(with_unrecorded(recorded, Some(unwritten)))
            }
        }
    }

    /// FAILED stands: the change has no rollback, or a part of it may still be running. What the run
    /// says of it is what the next one reads out of that.
    pub(super) fn without_rollback(&self, error: ErrorChain) -> Executed {
        self.stands(Cause::Failed, error)
    }

    pub(super) fn rollback_failed(&self, error: ErrorChain) -> Executed {
        self.stands(Cause::RollbackFailed, error)
    }

    /// With `recovery = "retry"` the author says that running again is safe, also beside an earlier
    /// attempt whose end could not be confirmed.
    fn stands(&self, cause: Cause, error: ErrorChain) -> Executed {
        match unless_retry(code(self.definition), cause) {
            Decision::Issue(cause) => issue(cause, error),
            Decision::Apply
            | Decision::Skip
            | Decision::Again
            | Decision::Verify(_)
            | Decision::Resolve
            | Decision::Filtered => Executed::failed(Outcome::Failed, error),
        }
    }
}
