//! Recording changes that were not committed, and their outcomes.

use std::ops::Range;

use super::tries::{LockLost, TransactionRunner, TryContext, TryOutcome, lock_lost_reason};
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::{NewEntry, State, TransactionMode};
use crate::audit::store_error::StoreError;
use crate::lock::append::{AppendError, RetryingAppend};
use crate::sql::driver::Driver;
use crate::sql::in_doubt::{InDoubtOutcome, resolve_in_doubt};
use crate::sql::marker::resolve_by_marker;
use crate::sql::progress::resolve_by_progress;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::util::boxed::BoxError;
use crate::util::error_chain::{ErrorChain, chain};

impl<D: Driver> TransactionRunner<'_, D> {
    /// Reads the outcome of each change, and records those that were rolled back. The session of
    /// the transaction has ended or is being ended. `cause` is the error of the change `at`, if
    /// that is among them.
    pub(super) async fn resolve_each(
        &self,
        context: &TryContext<'_>,
        range: Range<usize>,
        at: usize,
        mut cause: Option<BoxError>,
    ) -> Vec<TransactionOutcome> {
        let mut all = Vec::with_capacity(range.len());
        for index in range {
            let own = cause.take_if(|_| index == at);
            let own = own.unwrap_or_else(|| with_stage(context, at).into());
            all.push(self.resolve_one(context, index, at, own).await);
        }
        all
    }

    async fn resolve_one(
        &self,
        context: &TryContext<'_>,
        index: usize,
        at: usize,
        cause: BoxError,
    ) -> TransactionOutcome {
        match self.in_doubt_outcome(context, index).await {
            InDoubtOutcome::Visible(states) if self.purpose.has_succeeded(&states) => {
                TransactionOutcome::Done { mode: self.mode() }
            }
            InDoubtOutcome::Visible(states) if states.contains(&State::Started) => {
                self.record_left_behind(context, index, cause).await
            }
            InDoubtOutcome::Visible(_) => {
                let entries = self.rollback_entries_of(context, index, at, &cause);
                match self.record(context, index, &entries).await {
                    Ok(unrecorded) => TransactionOutcome::RolledBack { cause, unrecorded },
                    Err(LockLost) => TransactionOutcome::Lost {
                        reason: lock_lost_reason(),
                    },
                }
            }
            InDoubtOutcome::Unreachable => TransactionOutcome::Unknown { cause },
        }
    }

    pub(super) async fn in_doubt_outcome(
        &self,
        context: &TryContext<'_>,
        at: usize,
    ) -> InDoubtOutcome {
        let attempt = &context.attempts[at];
        match self.placement {
            AuditPlacement::SameDatabase => resolve_in_doubt::<D>(self.database, attempt).await,
            AuditPlacement::OtherDatabase { key, .. } => {
                resolve_by_marker::<D>(self.database, attempt, key).await
            }
            AuditPlacement::Progress {
                batch, holds_audit, ..
            } => {
                let owner = context.progress_owner(holds_audit);
                resolve_by_progress(self.database, &owner, batch.number, &context.tag).await
            }
        }
    }

    /// Returns the first change from this one on that is not recorded as applied. If a message was
    /// dropped, it is not known at which file it was stopped.
    pub(super) async fn not_applied_from(&self, context: &TryContext<'_>, at: usize) -> usize {
        let last = self.parts.len() - 1;
        for index in at..last {
            match self.in_doubt_outcome(context, index).await {
                InDoubtOutcome::Visible(states) if self.purpose.has_succeeded(&states) => {}
                InDoubtOutcome::Visible(_) | InDoubtOutcome::Unreachable => return index,
            }
        }
        last
    }

    /// Records a change that left something behind as failed without a transaction.
    pub(super) async fn record_left_behind(
        &self,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TransactionOutcome {
        let attempt = &context.attempts[at];
        let reason = Some(self.reason(attempt, &cause));
        let entry = attempt.entry(self.purpose.left_behind(), TransactionMode::None, reason);
        match self.record(context, at, &[entry]).await {
            Ok(unrecorded) => TransactionOutcome::LeftBehind { cause, unrecorded },
            Err(LockLost) => TransactionOutcome::Lost {
                reason: lock_lost_reason(),
            },
        }
    }

    /// Returns the entries for a rollback of everything up to the change that failed.
    pub(super) fn rollback_entries(
        &self,
        context: &TryContext<'_>,
        at: usize,
        cause: &BoxError,
    ) -> Vec<NewEntry> {
        let all = context.first..=at;
        all.flat_map(|index| self.rollback_entries_of(context, index, at, cause))
            .collect()
    }

    fn rollback_entries_of(
        &self,
        context: &TryContext<'_>,
        index: usize,
        at: usize,
        cause: &BoxError,
    ) -> Vec<NewEntry> {
        let (attempt, mode) = (&context.attempts[index], self.mode());
        if index != at {
            let reason = ErrorChain::text(&with_stage(context, at));
            return attempt.nothing_left(&mode, Some(reason));
        }
        let mut error = Some(self.reason(attempt, cause));
        if self.purpose == Purpose::Apply && attempt.before.is_some() {
            return attempt.nothing_left(&mode, error);
        }
        let states = self.purpose.undone().iter();
        let entry = |state: &State| attempt.entry(state.clone(), mode.clone(), error.take());
        states.map(entry).collect()
    }

    /// Returns the error to record.
    fn reason(&self, attempt: &Attempt<'_>, cause: &BoxError) -> ErrorChain {
        match self.placement {
            AuditPlacement::Progress { batch, .. } => batch.failure(&chain(cause)),
            AuditPlacement::SameDatabase | AuditPlacement::OtherDatabase { .. } => {
                attempt.reason(&chain(cause))
            }
        }
    }

    /// Returns the outcome of a rollback of everything up to the change that failed.
    pub(super) fn all_rolled_back(
        &self,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
        unrecorded: Option<StoreError>,
    ) -> TryOutcome {
        let undone = |cause, unrecorded| TransactionOutcome::RolledBack { cause, unrecorded };
        let earlier = (context.first..at).map(|_| undone(with_stage(context, at).into(), None));
        let mut all: Vec<TransactionOutcome> = earlier.collect();
        all.push(undone(cause, unrecorded));
        TryOutcome::Ended(all)
    }

    /// Appends the entries, with retries while the database is not reachable. Returns the error if
    /// they could not be written.
    pub(super) async fn record(
        &self,
        context: &TryContext<'_>,
        at: usize,
        entries: &[NewEntry],
    ) -> Result<Option<StoreError>, LockLost> {
        let retrying = RetryingAppend {
            store: self.store,
            grant: context.attempts[at].grant,
            wait: self.database.ledger.patience(),
            signals: self.parts[at].invocation.signals,
        };
        match retrying.append(entries).await {
            Ok(_) => Ok(None),
            Err(AppendError::Failed(error)) => Ok(Some(error)),
            Err(AppendError::Lost(_)) => Err(LockLost),
        }
    }
}

/// Returns why a change that did not fail was rolled back.
fn with_stage(context: &TryContext<'_>, at: usize) -> String {
    let definition = context.attempts[at].definition;
    format!(
        "it was rolled back with its stage \"{}\", which is atomic: the change \"{}\" failed",
        definition.stage, definition.id
    )
}
