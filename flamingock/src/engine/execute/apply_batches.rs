//! Applying a change in batches. Each batch is a transaction that also saves the cursor, so a run
//! that ends early, in whatever way, is continued after the last committed batch.
//!
//! ```text
//! claim the progress, STARTED, (begin, batch, cursor, commit).., APPLIED
//! ```
//!
//! Without a connection argument, the cursor is saved after the batch, so the batch that was
//! interrupted runs again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::change_progress::rate;
use crate::audit::entry::{State, TransactionMode};
use crate::audit::progress::{BatchEnd, Progress, ProgressClaim};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::argument::Values;
use crate::change::batch::{BatchState, CursorType, committed};
use crate::listener::EventKind;
use crate::lock::stop::StopReason;
use crate::plan::decision::Cause;
use crate::report::run::Outcome;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::target::invocation::{Ended, Invocation};
use crate::util::error_chain::{ErrorChain, chain};

use super::execution::Execution;
use super::outcome::{ExecutionOutcome, introduced, issue, with_unrecorded};
use super::pace::Size;

const NOT_CLAIMED: &str = "the change did not run: its progress could not be claimed";

const GONE: &str = "restore the row, and the next run continues; or mark the change as rolled back, and it begins anew";

/// How one batch ended.
enum BatchOutcome {
    /// It was committed.
    Done(BatchEnd),
    /// It was not. The batches before stay.
    Ended(Box<ExecutionOutcome>),
}

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
        let claim = self.claim(attempt);
        let mut progress = match self.claim_progress(&claim).await {
            Ok(Some(progress)) if claim.owns(&progress) && progress.committed_midway => {
                return self.committed_midway(attempt, &progress).await;
            }
            Ok(Some(progress)) if claim.owns(&progress) => progress,
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
        let (since, before) = (Instant::now(), progress.done_rows);
        let mut last = None;
        while !progress.finished {
            let next = self.until_next_batch(attempt, &claim, &progress, last);
            let size = match next.await {
                Ok(size) => size,
                Err(ended) => return *ended,
            };
            if let Err(reason) = self.executor.lease.confirm().await {
                return ExecutionOutcome::lost(reason);
            }
            self.tell_batch(&progress);
            let began = Instant::now();
            match self.batch(attempt, &claim, &progress, size).await {
                BatchOutcome::Done(end) => {
                    last = Some(began.elapsed());
                    progress = progress.after(&end);
                    let per_second = rate(progress.done_rows - before, since.elapsed());
                    self.tell_committed(&progress, end.done_rows, began.elapsed(), per_second);
                }
                BatchOutcome::Ended(outcome) => return *outcome,
            }
        }
        self.record_applied(attempt, mode).await
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
        let text = format!(
            "batch {} was committed before its end, because one of its statements commits, such as DDL, and its run ended: its cursor is not known. Look at what it did; then mark the change as applied, or reverse everything and mark it as rolled back, and it begins anew",
            progress.batches + 1
        );
        let error = ErrorChain::text(&text);
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

    fn claim(&self, attempt: &Attempt<'_>) -> ProgressClaim {
        ProgressClaim {
            grant: attempt.grant.clone(),
            change_id: self.definition.id.to_owned(),
            attempt: attempt.number,
            digest: attempt.digest.clone(),
            app_version: attempt.facts.app_version.clone(),
            from_start: self.begins_anew,
        }
    }

    /// Claims the progress where it is: in the database of the batches, or beside the audit.
    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError> {
        match self.place() {
            Some(database) => database.claim_progress(claim).await,
            None => self.executor.store.claim_progress(claim).await,
        }
    }

    /// Runs the next batch.
    async fn batch(
        &self,
        attempt: &Attempt<'_>,
        claim: &ProgressClaim,
        progress: &Progress,
        size: Size,
    ) -> BatchOutcome {
        let state = Arc::new(BatchState {
            cursor: progress.cursor.clone(),
            bound: progress.bound.clone(),
            size: size.size,
            limits: size.limits,
            number: progress.batches,
            ..BatchState::default()
        });
        let mut own = self.own_values();
        own.insert(Arc::clone(&state));
        if self.definition.body.transaction {
            self.batch_in_transaction(attempt, &own, &state).await
        } else {
            self.batch_alone(attempt, claim, &own, &state).await
        }
    }

    async fn batch_in_transaction(
        &self,
        attempt: &Attempt<'_>,
        own: &Values,
        state: &BatchState,
    ) -> BatchOutcome {
        let began = Instant::now();
        let placement = AuditPlacement::Progress {
            store: self.executor.store,
            batch: state,
            holds_audit: self.target.holds_audit,
        };
        let body = &self.definition.body;
        let invocation = Invocation {
            values: [own, &self.target.values, self.executor.values],
            // A run that was asked to stop ends after this batch.
            ..self.invocation(own, false)
        };
        let (transacted, _) = self
            .transact(attempt, body, &invocation, Purpose::Batch, placement)
            .await;
        let stopped = transacted.was_stopped();
        let outcome = match transacted {
            TransactionOutcome::Done { .. } => {
                return BatchOutcome::Done(BatchEnd::of(state, began.elapsed()));
            }
            TransactionOutcome::NotRun { cause } => {
                let text = "the batch did not run: its transaction could not begin";
                self.batch_failed(attempt, introduced(text, &chain(&cause)))
                    .await
            }
            TransactionOutcome::RolledBack { cause, unrecorded } => {
                failed(with_unrecorded(state.failure(&chain(&cause)), unrecorded))
            }
            TransactionOutcome::LeftBehind {
                cause,
                unrecorded: None,
            } => self.without_rollback(state.failure(&chain(&cause))),
            TransactionOutcome::LeftBehind { cause, unrecorded } => {
                ExecutionOutcome::unknown(with_unrecorded(chain(&cause), unrecorded))
            }
            TransactionOutcome::Lost { reason } => ExecutionOutcome::lost(reason),
            TransactionOutcome::Unknown { cause } => ExecutionOutcome::unknown(introduced(
                "the connection was lost, and it could not be found out whether the batch was committed: the next start finds out",
                &chain(&cause),
            )),
        };
        BatchOutcome::Ended(Box::new(ExecutionOutcome { stopped, ..outcome }))
    }

    async fn batch_alone(
        &self,
        attempt: &Attempt<'_>,
        claim: &ProgressClaim,
        own: &Values,
        state: &BatchState,
    ) -> BatchOutcome {
        let began = Instant::now();
        let invocation = self.applying(own);
        let called = self.call(&self.definition.body, &invocation).await;
        let ended = |outcome| BatchOutcome::Ended(Box::new(outcome));
        if let Ended::Lost(reason) = called.ended {
            return ended(ExecutionOutcome::lost(reason));
        }
        let has_stopped = called.has_stopped;
        if let Err(cause) = called.ended.into_result() {
            let mut error = state.failure(&chain(&cause));
            if !has_stopped {
                error = error.and("a part of the batch may still be running");
            }
            return ended(self.batch_failed(attempt, error).await);
        }
        let end = BatchEnd::of(state, began.elapsed());
        match self.save(claim, &end).await {
            Ok(()) => BatchOutcome::Done(end),
            Err(error) if error.kind == StoreErrorKind::Refused => {
                ended(ExecutionOutcome::lost(error.to_string()))
            }
            Err(error) => {
                let text = "the batch succeeded, but its cursor could not be saved: it runs again";
                let error = introduced(text, &ErrorChain::of(&error));
                ended(self.batch_failed(attempt, error).await)
            }
        }
    }

    /// Saves the cursor, with retries while the database is not reachable.
    async fn save(&self, claim: &ProgressClaim, end: &BatchEnd) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.executor.lock.wait;
        loop {
            let saved = self.executor.store.save_progress(claim, end).await;
            match saved {
                Err(error)
                    if error.kind == StoreErrorKind::Disconnected
                        && Instant::now() < deadline
                        && !matches!(self.executor.signals.now(), StopReason::Lost(_)) =>
                {
                    tokio::time::sleep(self.executor.lock.poll).await;
                }
                saved => return saved,
            }
        }
    }

    /// Records that a batch failed. The batches before stay.
    pub(super) async fn batch_failed(
        &self,
        attempt: &Attempt<'_>,
        error: ErrorChain,
    ) -> ExecutionOutcome {
        let mode = self.mode(&self.definition.body);
        let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
        self.recorded(&[entry], error, Outcome::Failed).await
    }

    /// The run was asked to stop, and a batch has ended.
    pub(super) async fn stopped_between(
        &self,
        attempt: &Attempt<'_>,
        progress: &Progress,
    ) -> ExecutionOutcome {
        if let StopReason::Lost(reason) = self.executor.signals.now() {
            return ExecutionOutcome::lost(reason);
        }
        let text = format!(
            "the run was asked to stop: {}, and the next run continues",
            committed(progress.batches)
        );
        ExecutionOutcome {
            stopped: true,
            ..self.batch_failed(attempt, ErrorChain::text(&text)).await
        }
    }

    fn tell_committed(
        &self,
        progress: &Progress,
        rows: i64,
        took: Duration,
        rows_per_second: Option<f64>,
    ) {
        let (batch, done_rows) = (progress.batches, progress.done_rows);
        let total_rows = progress.total_rows;
        tracing::debug!(
            change.id = self.definition.id,
            batch,
            rows,
            done_rows,
            total_rows,
            duration_ms = took.as_secs_f64() * 1000.0,
            "batch committed"
        );
        self.executor.events.emit(EventKind::BatchCommitted {
            id: self.definition.id.to_owned(),
            stage: self.definition.stage.to_owned(),
            batch,
            rows,
            done_rows,
            total_rows,
            rows_per_second,
            duration: took,
        });
    }

    /// Sets the activity that waiters see.
    fn tell_batch(&self, progress: &Progress) {
        let (order, id) = (self.definition.order, self.definition.id);
        let activity = format!(
            "{order} {id}, batch {}, {} rows done",
            progress.batches + 1,
            progress.done_rows
        );
        self.executor.lease.set_activity(&activity);
    }
}

fn failed(error: ErrorChain) -> ExecutionOutcome {
    ExecutionOutcome::failed(Outcome::Failed, error)
}

/// Another run has claimed the change.
fn taken(progress: &Progress) -> ExecutionOutcome {
    let text = format!(
        "the run {} works on the change, with the fencing token {}, which is later than this run's. If the audit's database was restored from a backup, and that of the target system was not, set `fencing_token` in the row of `flamingock_progress` to 0",
        progress.run_id, progress.fencing_token
    );
    ExecutionOutcome::failed(Outcome::NotReached, ErrorChain::text(&text))
}

/// Fails if the saved cursor is none that the change's code can read.
fn check_cursor(progress: &Progress, cursor: CursorType) -> Result<(), ErrorChain> {
    let saved = [
        ("cursor", &progress.cursor),
        ("upper bound", &progress.bound),
    ];
    for (name, text) in saved {
        let Some(text) = text else { continue };
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
