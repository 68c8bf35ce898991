//! Undoing a change in batches: its rollback works in batches too, or it reverses a change that was
//! cancelled in the middle.
//!
//! ```text
//! claim the progress, STARTED, (begin, batch, cursor, commit).., ROLLED_BACK
//! ```
//!
//! An undo that ends early is an issue, and the next undo continues. A rollback that does not work
//! in batches counts as one batch.

use crate::audit::attempt::Attempt;
use crate::audit::entry::TransactionMode;
use crate::audit::progress::Progress;
use crate::change::body::Body;
use crate::lock::append::AppendError;
use crate::plan::decision::Cause;
use crate::plan::step::{Step, is_applied};
use crate::report::run::Outcome;
use crate::util::error_chain::ErrorChain;

use super::apply_batches::{NOT_CLAIMED, check_cursor, midway, taken};
use super::batch_work::BatchWork;
use super::execution::Execution;
use super::outcome::{ExecutionOutcome, introduced, issue};

const GONE: &str = "the progress of its rollback is not in the table `flamingock_progress` any more, so it is unknown which batches are committed: restore the row, or look at what was reversed, and mark the change";

const OTHER_CODE: &str = "its rollback has begun, and its code worked in another way then (it has lost or got the key `batch`, its connection or its transaction), or one of its statements committed a batch before its end. Continue with that code; or look at what was reversed, and mark the change";

impl Execution<'_> {
    pub(super) async fn undo_batches(
        &self,
        step: &Step,
        attempt: Attempt<'_>,
        body: &'static Body<()>,
    ) -> ExecutionOutcome {
        let mode = self.mode(body);
        if mode == TransactionMode::None
            && let Some(refused) = self.refused(body).await
        {
            return refused;
        }
        let attempt = &Attempt {
            in_batches: true,
            ..attempt
        };
        let latest = step.latest.as_deref().filter(|_| step.is_rolling_back());
        let other_mode = latest
            .map(|latest| &latest.transaction_mode)
            .filter(|ran| **ran != mode);
        // Nothing is written: the code of then can continue.
        if other_mode.is_some() {
            return issue(Cause::UndoUnfinished, ErrorChain::text(OTHER_CODE));
        }
        let work = BatchWork {
            attempt,
            claim: self.claim(attempt, !step.is_rolling_back(), true),
            body,
        };
        let is_applied = step
            .latest
            .as_ref()
            .is_some_and(|latest| is_applied(&latest.state));
        let is_elsewhere =
            !self.target.holds_audit && body.transaction != self.definition.body.transaction;
        // The claim forgets the cursor of the change. Where a run would continue after that, it must
        // know of the undo before; a row of an earlier undo must not be taken for this one's.
        let claimed = if is_applied || is_elsewhere {
            let progress = match self.claim_rollback(&work).await {
                Ok(progress) => progress,
                Err(ended) => return *ended,
            };
            match self.undo_begins(attempt, &mode).await {
                Ok(()) => progress,
                Err(ended) => return *ended,
            }
        } else {
            if let Err(ended) = self.undo_begins(attempt, &mode).await {
                return *ended;
            }
            match self.claim_rollback(&work).await {
                Ok(progress) => progress,
                // The undo is on record.
                Err(ended) => {
                    let error = ended.error.unwrap_or_else(|| ErrorChain::text(NOT_CLAIMED));
                    return self.batch_failed(&work, error).await;
                }
            }
        };
        if claimed.committed_midway {
            return self.batch_failed(&work, midway(&claimed)).await;
        }
        // What it did so far is only known to code that works in the same way.
        if latest.is_some() && claimed.batches > 0 && body.cursor().is_none() {
            return self.batch_failed(&work, ErrorChain::text(OTHER_CODE)).await;
        }
        if let Some(cursor) = body.cursor()
            && let Err(error) = check_cursor(&claimed, cursor)
        {
            return self.batch_failed(&work, error).await;
        }
        match self.run_batches(&work, claimed).await {
            Ok(report) => ExecutionOutcome {
                batches: Some(report),
                ..self.undone(attempt, mode).await
            },
            Err(outcome) => *outcome,
        }
    }

    async fn claim_rollback(
        &self,
        work: &BatchWork<'_>,
    ) -> Result<Progress, Box<ExecutionOutcome>> {
        let failed = match self.claim_progress(work).await {
            Ok(Some(progress)) if work.claim.owns(&progress) => return Ok(progress),
            Ok(Some(progress)) => taken(&progress),
            Ok(None) => issue(Cause::UndoUnfinished, ErrorChain::text(GONE)),
            Err(error) => {
                let error = introduced(NOT_CLAIMED, &ErrorChain::of(&error));
                ExecutionOutcome::failed(Outcome::NotReached, error)
            }
        };
        Err(Box::new(failed))
    }

    /// Records that the undo begins.
    async fn undo_begins(
        &self,
        attempt: &Attempt<'_>,
        mode: &TransactionMode,
    ) -> Result<(), Box<ExecutionOutcome>> {
        let started = attempt.started(mode.clone());
        let error = match self.executor.append(&[started]).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Lost(reason)) => return Err(Box::new(ExecutionOutcome::lost(reason))),
            Err(AppendError::Failed(error)) => error,
        };
        // Its entry may exist all the same. Nothing was reversed, and the next undo begins.
        let text = "the undo did not run: its start could not be recorded";
        let text = introduced(text, &ErrorChain::of(&error));
        Err(Box::new(ExecutionOutcome::failed(Outcome::Failed, text)))
    }
}
