//! The batches of a change, or of its rollback. Each is a transaction that also saves the cursor, so
//! a run that ends early, in whatever way, is continued after the last committed batch.
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
use crate::change::batch::{BatchState, committed, rows_failed};
use crate::change::body::Body;
use crate::change::failed_row::FailedRow;
use crate::listener::EventKind;
use crate::lock::stop::StopReason;
use crate::report::run::{BatchReport, Outcome};
use crate::target::database::{AuditPlacement, Database, TransactionOutcome};
use crate::target::invocation::{Ended, Invocation};
use crate::util::error_chain::{ErrorChain, chain};

use super::batch_work::{BatchWork, undo_unfinished};
use super::execution::Execution;
use super::outcome::{ExecutionOutcome, introduced, with_unrecorded};
use super::pace::Size;

/// How one batch ended.
enum BatchOutcome {
    /// It was committed.
    Done(BatchEnd),
    /// It was not. The batches before stay.
    Ended(Box<ExecutionOutcome>),
}

/// How often the database is tidied up between batches.
const BETWEEN: Duration = Duration::from_secs(1);

/// How the rows of a batch are chosen.
enum Rows<'a> {
    /// They follow the cursor.
    Next,
    /// They failed in earlier batches.
    Again(&'a [FailedRow]),
}

impl Execution<'_> {
    /// Claims the progress where it is: in the database of the batches, or beside the audit.
    pub(super) async fn claim_progress(
        &self,
        work: &BatchWork<'_>,
    ) -> Result<Option<Progress>, StoreError> {
        match self.place(work.body) {
            Some(database) => database.claim_progress(&work.claim).await,
            None => self.executor.store.claim_progress(&work.claim).await,
        }
    }

    /// Returns the database in which the batches and their progress are, if that is not the store's.
    pub(super) fn place(&self, body: &Body<()>) -> Option<&dyn Database> {
        let database = self.target.database.as_deref();
        database.filter(|_| body.transaction)
    }

    /// Runs all batches that are left, and those of the rows that failed before this run. Returns the
    /// outcome if it came to no end, or if rows failed.
    pub(super) async fn run_batches(
        &self,
        work: &BatchWork<'_>,
        claimed: Progress,
    ) -> Result<BatchReport, Box<ExecutionOutcome>> {
        let mut report = BatchReport::default();
        let ended = self.run_all(work, claimed, &mut report).await;
        match ended {
            Ok(()) => Ok(report),
            Err(outcome) => Err(Box::new(ExecutionOutcome {
                batches: Some(report),
                ..*outcome
            })),
        }
    }

    async fn run_all(
        &self,
        work: &BatchWork<'_>,
        claimed: Progress,
        report: &mut BatchReport,
    ) -> Result<(), Box<ExecutionOutcome>> {
        let (since, before) = (Instant::now(), claimed.clone());
        let mut again = match claimed.finished {
            true => claimed.failed_rows.clone(),
            false => Vec::new(),
        };
        let mut progress = claimed;
        let (mut last, mut owed) = (None, Duration::ZERO);
        let mut tidied = Instant::now();
        report.tell(&progress, &before);
        while !progress.finished || !again.is_empty() {
            if let Some(database) = self.place(work.body)
                && tidied.elapsed() >= BETWEEN
            {
                database.between_batches().await;
                tidied = Instant::now();
            }
            let size = self
                .until_next_batch(work, &progress, last, &mut owed)
                .await?;
            if let Err(reason) = self.executor.lease.confirm().await {
                return Err(Box::new(ExecutionOutcome::lost(reason)));
            }
            self.tell_batch(&progress);
            let part = usize::try_from(size.size).unwrap_or(usize::MAX);
            let these: Vec<FailedRow> = again.drain(..part.clamp(0, again.len())).collect();
            let rows = match these.as_slice() {
                [] => Rows::Next,
                these => Rows::Again(these),
            };
            let began = Instant::now();
            match self.batch(work, &progress, size, &rows).await {
                BatchOutcome::Done(end) => {
                    last = Some(began.elapsed());
                    progress = progress.after(&end);
                    report.tell(&progress, &before);
                    let per_second = rate(report.rows, since.elapsed());
                    self.tell_committed(&progress, &end, began, per_second);
                }
                BatchOutcome::Ended(outcome) => return Err(outcome),
            }
        }
        match progress.failed_rows.as_slice() {
            [] => Ok(()),
            failed => Err(Box::new(self.rows_failed(work, failed).await)),
        }
    }

    /// Nothing is left but rows that failed: the next run does these again.
    async fn rows_failed(&self, work: &BatchWork<'_>, failed: &[FailedRow]) -> ExecutionOutcome {
        let first = failed.first();
        let error = ErrorChain::text(&format!(
            "all batches are committed, but {}: {} does {} again, and `batch failed {}` lists {}",
            rows_failed(failed.len()),
            work.next(),
            them(failed.len()),
            crate::util::shell::quote(self.definition.id),
            them(failed.len()),
        ));
        let error = match first {
            Some(FailedRow { key, error: cause }) => error.and(&format!("{key}: {cause}")),
            None => error,
        };
        self.batch_failed(work, error).await
    }

    /// Runs the next batch.
    async fn batch(
        &self,
        work: &BatchWork<'_>,
        progress: &Progress,
        size: Size,
        rows: &Rows<'_>,
    ) -> BatchOutcome {
        let state = Arc::new(BatchState {
            cursor: progress.cursor.clone(),
            bound: progress.bound.clone(),
            size: size.size,
            limits: size.limits,
            number: progress.batches,
            rolls_back: work.claim.rolls_back,
            failed_rows: progress.failed_rows.clone(),
            retries: match rows {
                Rows::Next => None,
                Rows::Again(rows) => Some(rows.iter().map(|row| row.key.clone()).collect()),
            },
            ..BatchState::default()
        });
        let mut own = self.own_values();
        own.insert(Arc::clone(&state));
        if work.body.transaction {
            self.batch_in_transaction(work, &own, &state).await
        } else {
            self.batch_alone(work, &own, &state).await
        }
    }

    async fn batch_in_transaction(
        &self,
        work: &BatchWork<'_>,
        own: &Values,
        state: &BatchState,
    ) -> BatchOutcome {
        let began = Instant::now();
        let placement = AuditPlacement::Progress {
            store: self.executor.store,
            batch: state,
            holds_audit: self.target.holds_audit,
        };
        let invocation = Invocation {
            values: [own, &self.target.values, self.executor.values],
            // A run that was asked to stop ends after this batch.
            ..self.invocation(own, false)
        };
        let (transacted, _) = self
            .transact(
                work.attempt,
                work.body,
                &invocation,
                Purpose::Batch,
                placement,
            )
            .await;
        let stopped = transacted.was_stopped();
        let outcome = match transacted {
            TransactionOutcome::Done { .. } => {
                return BatchOutcome::Done(BatchEnd::of(state, began.elapsed()));
            }
            TransactionOutcome::NotRun { cause } => {
                let text = "the batch did not run: its transaction could not begin";
                self.batch_failed(work, introduced(text, &chain(&cause)))
                    .await
            }
            TransactionOutcome::RolledBack { cause, unrecorded } => {
                work.failed(with_unrecorded(state.failure(&chain(&cause)), unrecorded))
            }
            TransactionOutcome::LeftBehind {
                cause,
                unrecorded: None,
            } if work.claim.rolls_back => work.failed(state.failure(&chain(&cause))),
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
        work: &BatchWork<'_>,
        own: &Values,
        state: &BatchState,
    ) -> BatchOutcome {
        let began = Instant::now();
        let invocation = self.applying(own);
        let called = self.call(work.body, &invocation).await;
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
            return ended(self.batch_failed(work, error).await);
        }
        let end = BatchEnd::of(state, began.elapsed());
        match self.save(&work.claim, &end).await {
            Ok(()) => BatchOutcome::Done(end),
            Err(error) if error.kind == StoreErrorKind::Refused => {
                ended(ExecutionOutcome::lost(error.to_string()))
            }
            Err(error) => {
                let text = "the batch succeeded, but its cursor could not be saved: it runs again";
                let error = introduced(text, &ErrorChain::of(&error));
                ended(self.batch_failed(work, error).await)
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
        work: &BatchWork<'_>,
        error: ErrorChain,
    ) -> ExecutionOutcome {
        self.failed_in_batches(work.attempt, self.mode(work.body), error)
            .await
    }

    /// Records that an attempt in batches failed.
    pub(super) async fn failed_in_batches(
        &self,
        attempt: &Attempt<'_>,
        mode: TransactionMode,
        error: ErrorChain,
    ) -> ExecutionOutcome {
        let entry = attempt.entry(State::Failed, mode, Some(error.clone()));
        let recorded = self.recorded(&[entry], error, Outcome::Failed).await;
        ExecutionOutcome {
            issue: recorded.issue.or(undo_unfinished(attempt)),
            ..recorded
        }
    }

    /// The run was asked to stop, and a batch has ended.
    pub(super) async fn stopped_between(
        &self,
        work: &BatchWork<'_>,
        progress: &Progress,
    ) -> ExecutionOutcome {
        if let StopReason::Lost(reason) = self.executor.signals.now() {
            return ExecutionOutcome::lost(reason);
        }
        let text = format!(
            "the run was asked to stop: {}, and {} continues",
            committed(progress.batches),
            work.next()
        );
        ExecutionOutcome {
            stopped: true,
            ..self.batch_failed(work, ErrorChain::text(&text)).await
        }
    }

    fn tell_committed(
        &self,
        progress: &Progress,
        end: &BatchEnd,
        began: Instant,
        rows_per_second: Option<f64>,
    ) {
        let (batch, done_rows) = (progress.batches, progress.done_rows);
        let (rows, took) = (end.done_rows, began.elapsed());
        let (total_rows, failed_rows) = (progress.total_rows, progress.failed_rows.len());
        tracing::debug!(
            change.id = self.definition.id,
            batch,
            rows,
            done_rows,
            total_rows,
            failed_rows,
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
        let doing = if progress.rolls_back { "undoing " } else { "" };
        let activity = format!(
            "{doing}{order} {id}, batch {}, {} rows done",
            progress.batches + 1,
            progress.done_rows
        );
        self.executor.lease.set_activity(&activity);
    }
}

fn them(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}
