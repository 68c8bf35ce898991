//! One attempt at a change, and the entries that record it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry::{Facts, NewEntry, Origin, State, TransactionMode};
use super::grant::LockGrant;
use crate::change::batch::IN_BATCHES;
use crate::change::definition::Definition;
use crate::util::error_chain::ErrorChain;
use crate::util::random::new_id;

/// One attempt at a change, under one lock grant.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) definition: &'static Definition,
    pub(crate) number: u32,
    pub(crate) origin: Origin,
    pub(crate) grant: &'a LockGrant,
    pub(crate) facts: &'a Arc<Facts>,
    pub(crate) began: Instant,
    /// How long the attempt took, if it ended before its entry is created.
    pub(crate) took: Option<Duration>,
    /// The digest of the code that ran. A rollback can belong to older code than today's.
    pub(crate) digest: String,
    /// The digest of the applied version of a repeatable change. That version stays applied if
    /// nothing of this attempt remains.
    pub(crate) before: Option<String>,
    /// Whether it works in batches, so that an unfinished one has committed what is in the progress.
    pub(crate) in_batches: bool,
    /// The failure that made this rollback necessary.
    pub(crate) undoes: Option<ErrorChain>,
}

impl Attempt<'_> {
    /// Reports whether the attempt is to reverse an applied change, or a cancelled one.
    pub(crate) fn is_undo(&self) -> bool {
        self.origin == Origin::Undo
    }

    /// Returns the attempt as the rollback after a failure.
    pub(crate) fn undoing(&self, failure: &ErrorChain) -> Self {
        Attempt {
            undoes: Some(failure.clone()),
            ..self.clone()
        }
    }

    /// Returns why the attempt failed. For a rollback that includes the failure that made it
    /// necessary.
    pub(crate) fn reason(&self, cause: &ErrorChain) -> ErrorChain {
        match &self.undoes {
            None => cause.clone(),
            Some(failure) => ErrorChain::text("the rollback failed")
                .and_all(cause)
                .and("it was to undo this failure")
                .and_all(failure),
        }
    }

    /// Creates an entry that ends the attempt, or a part of it.
    pub(crate) fn entry(
        &self,
        state: State,
        mode: TransactionMode,
        error: Option<ErrorChain>,
    ) -> NewEntry {
        let took = self.took.unwrap_or_else(|| self.began.elapsed());
        self.new_entry(state, mode, error, Some(took))
    }

    /// Creates the entries for an attempt that did not run, or of which nothing remains.
    pub(crate) fn nothing_left(
        &self,
        mode: &TransactionMode,
        error: Option<ErrorChain>,
    ) -> Vec<NewEntry> {
        let Some(before) = &self.before else {
            return vec![self.entry(State::RolledBack, mode.clone(), error)];
        };
        let still_applied = NewEntry {
            digest: before.clone(),
            ..self.entry(State::Applied, mode.clone(), None)
        };
        vec![
            self.entry(State::Failed, mode.clone(), error),
            still_applied,
        ]
    }

    /// Creates the entry that records the attempt as running.
    pub(crate) fn started(&self, mode: TransactionMode) -> NewEntry {
        self.new_entry(State::Started, mode, None, None)
    }

    fn new_entry(
        &self,
        state: State,
        transaction_mode: TransactionMode,
        error: Option<ErrorChain>,
        duration: Option<Duration>,
    ) -> NewEntry {
        let definition = self.definition;
        // The next version of the code may not work in batches any more.
        let is_in_batches = self.in_batches && matches!(state, State::Started | State::Failed);
        NewEntry {
            attempt: self.number,
            stage: definition.stage.to_owned(),
            change_id: definition.id.to_owned(),
            change_order: definition.order.to_owned(),
            author: definition.author.to_owned(),
            description: definition.description.to_owned(),
            target: definition.target.to_owned(),
            state,
            transaction_mode,
            recovery: Some(definition.recovery),
            origin: self.origin.clone(),
            digest: self.digest.clone(),
            duration,
            location: definition.location().to_string(),
            error,
            reason: is_in_batches.then(|| IN_BATCHES.to_owned()),
            idempotency_key: new_id(),
            origin_facts: Arc::clone(self.facts),
        }
    }
}

/// The purpose of an attempt in a transaction, which determines what is recorded when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The change: APPLIED, or FAILED and ROLLED_BACK.
    Apply,
    /// A batch of it: nothing, or FAILED, because the batches before stay.
    Batch,
    /// Its rollback after a failure: ROLLED_BACK, or ROLLBACK_FAILED.
    Rollback,
    /// Its rollback after a success: ROLLED_BACK, or FAILED and still APPLIED.
    Undo,
}

impl Purpose {
    pub(crate) fn success(self) -> State {
        match self {
            Purpose::Apply | Purpose::Batch => State::Applied,
            Purpose::Rollback | Purpose::Undo => State::RolledBack,
        }
    }

    /// Reports whether these are the entries of a successful attempt. A failed attempt can also
    /// record the state before it, after its failure.
    pub(crate) fn has_succeeded(self, entries: &[State]) -> bool {
        entries.contains(&self.success()) && !entries.contains(&State::Failed)
    }

    /// Returns the states to record once the database has rolled back everything that the attempt
    /// did.
    pub(crate) fn undone(self) -> &'static [State] {
        match self {
            Purpose::Apply => &[State::Failed, State::RolledBack],
            Purpose::Batch => &[State::Failed],
            Purpose::Rollback => &[State::RollbackFailed],
            Purpose::Undo => &[State::Failed, State::Applied],
        }
    }

    /// Returns the state to record when the attempt left something behind.
    pub(crate) fn left_behind(self) -> State {
        match self {
            Purpose::Apply | Purpose::Batch | Purpose::Undo => State::Failed,
            Purpose::Rollback => State::RollbackFailed,
        }
    }
}
