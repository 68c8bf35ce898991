//! Applying a change in batches:
//!
//! ```text
//! claim the progress, STARTED, (begin, batch, cursor, commit).., APPLIED
//! ```

use crate::audit::attempt::Attempt;
use crate::audit::entry::{State, TransactionMode};
use crate::audit::progress::{Progress, ProgressClaim};
use crate::change::batch::CursorType;
use crate::plan::decision::Cause;
use crate::report::run::Outcome;
use crate::util::error_chain::ErrorChain;

use super::batch_work::BatchWork;
use super::execution::Execution;
use super::outcome::{ExecutionOutcome, introduced, issue};

pub(super) const NOT_CLAIMED: &str = "the change did not run: its progress could not be claimed";

const GONE: &str = "restore the row, and the next run continues; or mark the change as rolled back, and it begins anew";

impl Execution<'_> {
    pub(super) async fn apply_batches(
        &self,
        attempt: &Attempt<'_>,
        cursor: CursorType,
    ) -> ExecutionOutcome {
        let body = &self.definition.body;
        let mode = self.mode(body);
        if mode == TransactionMode::None
            && let Some(refused) = self.refused(body).await
        {
            return refused;
        }
        let work = BatchWork {
            attempt,
            claim: self.claim(attempt, self.begins_anew, false),
            body,
        };
        let progress = match self.claim_progress(&work).await {
            Ok(Some(progress)) if work.claim.owns(&progress) && progress.rolls_back => {
                let text =
                    "the change did not run: its rollback has begun, and `undo` completes it";
                return ExecutionOutcome::failed(Outcome::NotReached, ErrorChain::text(text));
            }
            Ok(Some(progress)) if work.claim.owns(&progress) && progress.committed_midway => {
                return self.committed_midway(attempt, &progress).await;
            }
            Ok(Some(progress)) if work.claim.owns(&progress) => progress,
            Ok(Some(progress)) => return taken(&progress),
            Ok(None) => return self.progress_gone(attempt).await,
            Err(error) => {
                let error = introduced(NOT_CLAIMED, &ErrorChain::of(&error));
                return ExecutionOutcome::failed(Outcome::NotReached, error);
            }
        };
        if progress.halted {
            return self.halted(&progress);
        }
        if let Err(error) = check_cursor(&progress, cursor) {
            return ExecutionOutcome::failed(Outcome::NotReached, error);
        }
        let started = attempt.started(mode.clone());
        if let Err(unwritten) = self.executor.append(&[started]).await {
            return self.not_started(attempt, mode, unwritten).await;
        }
        match self.run_batches(&work, progress).await {
            Ok(report) => ExecutionOutcome {
                batches: Some(report),
                ..self.record_applied(attempt, mode).await
            },
            Err(outcome) => *outcome,
        }
    }

    /// Records that the progress is gone. The next run looks again.
    async fn progress_gone(&self, attempt: &Attempt<'_>) -> ExecutionOutcome {
        let cause = Cause::ProgressGone;
        let error = ErrorChain::text(GONE);
        let mode = self.mode(&self.definition.body);
        let told = cause.before(Some(&error));
        let entry = attempt.entry(State::Failed, mode, Some(told));
        let recorded = self
            .recorded(&[entry], error.clone(), Outcome::Failed)
            .await;
        match recorded.outcome {
            Outcome::Failed => issue(cause, error),
            _ => recorded,
        }
    }

    /// A batch of an earlier run was committed before its end: the next one cannot begin after it.
    async fn committed_midway(
        &self,
        attempt: &Attempt<'_>,
        progress: &Progress,
    ) -> ExecutionOutcome {
        let error = midway(progress);
        let mode = TransactionMode::None;
        let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
        let recorded = self
            .recorded(&[entry], error.clone(), Outcome::Failed)
            .await;
        match recorded.outcome {
            Outcome::Failed => issue(Cause::Failed, error),
            _ => recorded,
        }
    }

    pub(super) fn claim(
        &self,
        attempt: &Attempt<'_>,
        from_start: bool,
        rolls_back: bool,
    ) -> ProgressClaim {
        ProgressClaim {
            grant: attempt.grant.clone(),
            change_id: self.definition.id.to_owned(),
            attempt: attempt.number,
            digest: attempt.digest.clone(),
            app_version: attempt.facts.app_version.clone(),
            from_start,
            rolls_back,
        }
    }
}

/// The last batch of an earlier run has no end.
pub(super) fn midway(progress: &Progress) -> ErrorChain {
    let of = if progress.rolls_back {
        " of the rollback"
    } else {
        ""
    };
    let text = format!(
        "batch {}{of} was committed before its end, because one of its statements commits, such as DDL, and its run ended: its cursor is not known. Look at what it did; then mark the change as applied, or reverse everything and mark it as rolled back, and it begins anew",
        progress.batches + 1
    );
    ErrorChain::text(&text)
}

/// Another run has claimed the change.
pub(super) fn taken(progress: &Progress) -> ExecutionOutcome {
    let text = format!(
        "the run {} works on the change, with the fencing token {}, which is later than this run's. If the audit's database was restored from a backup, and that of the target system was not, set `fencing_token` in the row of `flamingock_progress` to 0",
        progress.run_id, progress.fencing_token
    );
    ExecutionOutcome::failed(Outcome::NotReached, ErrorChain::text(&text))
}

/// Fails if the saved cursor is none that the change's code can read.
pub(super) fn check_cursor(progress: &Progress, cursor: CursorType) -> Result<(), ErrorChain> {
    let failed = progress.failed_rows.iter();
    let failed = failed.map(|row| ("key of a row that failed", &row.key));
    let saved = [
        ("cursor", progress.cursor.as_ref()),
        ("upper bound", progress.bound.as_ref()),
    ];
    let saved = saved
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)));
    for (name, text) in saved.chain(failed) {
        if let Err(error) = (cursor.check)(text) {
            let writer = match &progress.app_version {
                Some(version) => format!("version {version} of the application"),
                None => "another version of the application".to_owned(),
            };
            let text = format!(
                "the change did not run: its {name} `{text}`, which {writer} saved, cannot be read as `{}` ({error}). Continue with code that reads it; or mark the change as rolled back, and it begins anew",
                (cursor.type_name)()
            );
            return Err(ErrorChain::text(&text));
        }
    }
    Ok(())
}
