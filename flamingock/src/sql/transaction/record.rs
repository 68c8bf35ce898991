//! What is recorded of changes that were not committed, and what they come to.

use crate::sql::transaction::batch::{Moved, moved};
use std::ops::Range;

use super::batch::{SuccessEntry, Transact, Tried, Try};
use crate::audit::attempt::Purpose;
use crate::audit::entry::{NewEntry, State, TransactionMode};
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::lock::append::{AppendError, RetryingAppend};
use crate::sql::driver::Driver;
use crate::sql::in_doubt::{Settled, settle};
use crate::sql::marker::resolve;
use crate::target::database::Transacted;
use crate::util::boxed::BoxError;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

impl<D: Driver> Transact<'_, D> {
    /// Reads of each change what became of it, and records what was undone. The session of the
    /// transaction is over, or is being ended. The cause is that of the change that failed, if it is among
    /// them.
    pub(super) async fn settle_each(
        &self,
        one: &Try<'_>,
        range: Range<usize>,
        at: usize,
        mut cause: Option<BoxError>,
    ) -> Vec<Transacted> {
        let mut all = Vec::with_capacity(range.len());
        for index in range {
            let own = cause.take_if(|_| index == at);
            let own = own.unwrap_or_else(|| with_its_stage(one, at).into());
            all.push(self.settle_one(one, index, at, own).await);
        }
        all
    }

    async fn settle_one(
        &self,
        one: &Try<'_>,
        index: usize,
        at: usize,
        cause: BoxError,
    ) -> Transacted {
        match self.settled(one, index).await {
            Settled::Visible(states) if self.purpose.has_succeeded(&states) => {
                Transacted::Done { mode: self.mode() }
            }
            Settled::Visible(states) if states.contains(&State::Started) => {
                self.record_left_behind(one, index, cause).await
            }
            Settled::Visible(_) => {
                let entries = self.entries_of_undone(one, index, at, &cause);
                match self.record(one, index, &entries).await {
                    Ok(unrecorded) => Transacted::Undone { cause, unrecorded },
                    Err(Moved) => Transacted::Lost { reason: moved() },
                }
            }
            Settled::Unreachable => Transacted::Unknown { cause },
        }
    }

    pub(super) async fn settled(&self, one: &Try<'_>, at: usize) -> Settled {
        let attempt = &one.attempts[at];
        match self.entry {
            SuccessEntry::Here(_) => settle::<D>(self.database, attempt).await,
            SuccessEntry::Elsewhere { key, .. } => resolve::<D>(self.database, attempt, key).await,
        }
    }

    /// The first change from this one on that is not on record as applied. Of a text whose end nobody
    /// waited for, it is not known at which file it was stopped.
    pub(super) async fn not_applied_from(&self, one: &Try<'_>, at: usize) -> usize {
        let last = self.parts.len() - 1;
        for index in at..last {
            match self.settled(one, index).await {
                Settled::Visible(states) if self.purpose.has_succeeded(&states) => {}
                Settled::Visible(_) | Settled::Unreachable => return index,
            }
        }
        last
    }

    /// Something of the change stays: records that it failed as one without transaction.
    pub(super) async fn record_left_behind(
        &self,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Transacted {
        let attempt = &one.attempts[at];
        let reason = Some(attempt.reason(&chain(&cause)));
        let entry = attempt.entry(self.purpose.left_behind(), TransactionMode::None, reason);
        match self.record(one, at, &[entry]).await {
            Ok(unrecorded) => Transacted::LeftBehind { cause, unrecorded },
            Err(Moved) => Transacted::Lost { reason: moved() },
        }
    }

    /// What is recorded when everything up to the change that failed is undone.
    pub(super) fn undone_entries(
        &self,
        one: &Try<'_>,
        at: usize,
        cause: &BoxError,
    ) -> Vec<NewEntry> {
        let all = one.first..=at;
        all.flat_map(|index| self.entries_of_undone(one, index, at, cause))
            .collect()
    }

    fn entries_of_undone(
        &self,
        one: &Try<'_>,
        index: usize,
        at: usize,
        cause: &BoxError,
    ) -> Vec<NewEntry> {
        let (attempt, mode) = (&one.attempts[index], self.mode());
        if index != at {
            let reason = ErrorChain::text(&with_its_stage(one, at));
            return attempt.nothing_left(&mode, Some(reason));
        }
        let mut error = Some(attempt.reason(&chain(cause)));
        if self.purpose == Purpose::Apply && attempt.before.is_some() {
            return attempt.nothing_left(&mode, error);
        }
        let states = self.purpose.undone().iter();
        let entry = |state: &State| attempt.entry(state.clone(), mode.clone(), error.take());
        states.map(entry).collect()
    }

    /// Everything up to the change that failed is undone.
    pub(super) fn all_undone(
        &self,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
        unrecorded: Option<StoreError>,
    ) -> Tried {
        let undone = |cause, unrecorded| Transacted::Undone { cause, unrecorded };
        let earlier = (one.first..at).map(|_| undone(with_its_stage(one, at).into(), None));
        let mut all: Vec<Transacted> = earlier.collect();
        all.push(undone(cause, unrecorded));
        Tried::Ended(all)
    }

    /// What stays must not go unrecorded because the database is away for a moment. Answers why it is not
    /// recorded, if so.
    pub(super) async fn record(
        &self,
        one: &Try<'_>,
        at: usize,
        entries: &[NewEntry],
    ) -> Result<Option<StoreError>, Moved> {
        let retrying = RetryingAppend {
            store: self.store(),
            grant: one.attempts[at].grant,
            wait: self.database.ledger.patience(),
            signals: self.parts[at].invocation.signals,
        };
        match retrying.append(entries).await {
            Ok(_) => Ok(None),
            Err(AppendError::Failed(error)) => Ok(Some(error)),
            Err(AppendError::Lost(_)) => Err(Moved),
        }
    }

    /// Where everything but success is recorded.
    fn store(&self) -> &dyn Store {
        match self.entry {
            SuccessEntry::Here(store) => store,
            SuccessEntry::Elsewhere { store, .. } => store,
        }
    }
}

/// Why a change is undone that did not fail.
fn with_its_stage(one: &Try<'_>, at: usize) -> String {
    let definition = one.attempts[at].definition;
    format!(
        "it was rolled back with its stage \"{}\", which is atomic: the change \"{}\" failed",
        definition.stage, definition.id
    )
}
