//! What a run that works in batches has claimed.

use crate::audit::attempt::Attempt;
use crate::audit::progress::ProgressClaim;
use crate::change::body::Body;
use crate::plan::decision::Cause;
use crate::report::run::Outcome;
use crate::util::error_chain::ErrorChain;

use super::outcome::{ExecutionOutcome, issue};

/// The work in batches that a run has claimed.
pub(super) struct BatchWork<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) claim: ProgressClaim,
    /// The function that does one batch: the change, or its rollback.
    pub(super) body: &'static Body<()>,
}

impl BatchWork<'_> {
    /// Returns what continues.
    pub(super) fn next(&self) -> &'static str {
        match self.claim.rolls_back {
            true => "the next `undo`",
            false => "the next run",
        }
    }

    pub(super) fn failed(&self, error: ErrorChain) -> ExecutionOutcome {
        match undo_unfinished(self.attempt) {
            Some(cause) => issue(cause, error),
            None => ExecutionOutcome::failed(Outcome::Failed, error),
        }
    }
}

/// Returns why an attempt that failed needs an operator: an undo that has begun has to be completed.
pub(super) fn undo_unfinished(attempt: &Attempt<'_>) -> Option<Cause> {
    attempt.is_undo().then_some(Cause::UndoUnfinished)
}
