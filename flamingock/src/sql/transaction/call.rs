//! Everything between begin and commit: calling each function and appending its entry.

use std::ops::Range;
use std::time::Instant;

use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::{Behind, Failure};
use sqlx::Transaction;

use super::tries::{TransactionRunner, TryContext};
use crate::audit::attempt::Purpose;
use crate::audit::progress::BatchEnd;
use crate::change::batch::BatchState;
use crate::sql::connection::GuardedConnection;
use crate::sql::driver::{Driver, begin, is_deeper_than, mark_session};
use crate::sql::progress::batch_write;
use crate::sql::rows;
use crate::sql::timing::{BUSY_PAUSE, POLL_PAUSE};
use crate::target::database::AuditPlacement;
use crate::target::invocation::Ended;

const NESTED: &str =
    "the change left a nested transaction open: commit it, or let it go out of scope";

/// What failed first in a transaction.
pub(super) enum FirstFailure {
    /// The change failed.
    Change { at: usize, ended: Ended<()> },
    /// The database rejected the change's entry, or a statement before the next change.
    Entry { at: usize, error: sqlx::Error },
}

impl<D: Driver> TransactionRunner<'_, D> {
    /// Begins the transaction and does everything up to the commit. Replaces a cached connection
    /// that turns out to be dead. Afterwards the driver counts the transaction as open, and the
    /// connection itself is used. Its guard closes it unless it is known to be clean.
    pub(super) async fn begin_and_call(
        &self,
        context: &mut TryContext<'_>,
    ) -> Result<(GuardedConnection<D>, Option<FirstFailure>), sqlx::Error> {
        let text = self.begin_statements(context).join("; ");
        let deadline = Instant::now() + self.database.ledger.patience();
        loop {
            let mut connection = self.connection().await?;
            let untested = connection.may_be_dead;
            connection.prepare().await?;
            // Files that share a connection cannot switch its journal off.
            if !connection.can_roll_back {
                if let Some(reason) = D::rollback_obstacle(&mut connection).await? {
                    return Err(sqlx::Error::Configuration(reason.into()));
                }
                connection.can_roll_back = true;
            }
            self.mark(&mut connection, context).await?;
            self.set_foreign_keys(&mut connection).await?;
            let done = match begin::<D>(&mut connection, text.clone()).await {
                Ok(mut transaction) => {
                    let failure = self.call_functions(&mut transaction, context).await.err();
                    std::mem::forget(transaction);
                    Ok(failure)
                }
                Err(error) => Err(error),
            };
            let error = match done {
                Ok(failure) => return Ok((connection, failure)),
                Err(error) => error,
            };
            match D::classify(&error) {
                Failure::Disconnected if untested => {}
                // After a fail-over, the address leads to the new primary after a while.
                Failure::ReadOnly if Instant::now() < deadline => {
                    drop(connection);
                    tokio::time::sleep(POLL_PAUSE).await;
                }
                Failure::Busy if Instant::now() < deadline => {
                    drop(connection);
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Marks a session that has no witness which names it, so that others can end it: that of a
    /// batch, whose statements can so be cancelled, too, and that of a rollback beside the audit,
    /// which the next owner of the lock ends.
    async fn mark(
        &self,
        connection: &mut GuardedConnection<D>,
        context: &mut TryContext<'_>,
    ) -> Result<(), sqlx::Error> {
        let cancellation = D::CANCELLATION.filter(|cancellation| cancellation.id_by_mark.is_some());
        let Some(cancellation) = cancellation else {
            return Ok(());
        };
        let is_batch = matches!(self.placement, AuditPlacement::Progress { .. });
        let is_rollback = matches!(
            (self.purpose, &self.placement),
            (Purpose::Rollback, AuditPlacement::SameDatabase)
        );
        let tag = match (is_batch, is_rollback) {
            (true, _) => &context.tag,
            (false, true) => &context.grant.run_id,
            (false, false) => return Ok(()),
        };
        match mark_session::<D>(connection, &cancellation, tag).await {
            Ok(mark) if is_batch => context.session_mark = mark,
            Ok(_) => {}
            Err(error) if D::classify(&error) == Failure::Disconnected => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the session could not be marked: others cannot end it");
            }
        }
        Ok(())
    }

    async fn call_functions(
        &self,
        transaction: &mut Transaction<'_, D::Database>,
        context: &mut TryContext<'_>,
    ) -> Result<(), FirstFailure> {
        let mut at = context.first;
        let watch = self.watch_integrity(transaction, at).await?;
        while at < self.parts.len() {
            let scripts = self.scripts_from(at);
            if scripts > 0 {
                let range = at..at + scripts;
                at = self
                    .run_scripts(transaction, context, range, &watch)
                    .await?;
                continue;
            }
            (self.on_begin)(at);
            context.attempts[at].began = Instant::now();
            let session = D::transaction_session(transaction);
            let part = &self.parts[at];
            let mut ended = part.invocation.call(part.body, session).await;
            let succeeded = matches!(ended, Ended::Returned(Ok(())));
            if succeeded && is_deeper_than::<D>(transaction, 1).await {
                ended = Ended::Returned(Err(NESTED.into()));
            }
            if !matches!(ended, Ended::Returned(Ok(()))) {
                return Err(FirstFailure::Change { at, ended });
            }
            self.check_integrity(transaction, &watch, at..at + 1)
                .await?;
            if self.parts.len() > 1 {
                // The next change may use another type in the same statement.
                let cleared = D::clear_cached_statements(transaction).await;
                cleared.map_err(|error| FirstFailure::Entry { at, error })?;
            }
            let attempt = &mut context.attempts[at];
            attempt.took = Some(attempt.began.elapsed());
            self.append_entries(transaction, context, at..at + 1, None)
                .await?;
            at += 1;
        }
        Ok(())
    }

    /// Appends the entries of changes that have ended, and begins the next change. `lift` removes a
    /// limit that was set at the end of a message.
    pub(super) async fn append_entries(
        &self,
        connection: &mut sqlx_audit::Conn<D>,
        context: &TryContext<'_>,
        range: Range<usize>,
        lift: Option<&str>,
    ) -> Result<(), FirstFailure> {
        let ledger = &self.database.ledger;
        let (at, next) = (range.end - 1, range.end);
        let appended = match self.placement {
            AuditPlacement::OtherDatabase { .. } => {
                ledger
                    .mark_within(connection, &context.marker, &context.tag)
                    .await
            }
            AuditPlacement::Progress {
                batch, holds_audit, ..
            } => {
                let (owner, end) = (
                    context.progress_owner(holds_audit),
                    self.batch_end(context, batch),
                );
                ledger
                    .save_batch_within(
                        connection,
                        &owner,
                        &batch_write(&end),
                        self.lease,
                        &context.tag,
                    )
                    .await
            }
            AuditPlacement::SameDatabase => {
                let is_last = next == self.parts.len();
                let is_in_text = || ledger.clock_in_text().is_none() && self.scripts_from(next) > 0;
                let mut before_next = Vec::new();
                if !is_last && !is_in_text() {
                    let witness = self.witness(context, next);
                    before_next = ledger.next_together(&context.grant, &witness, &context.tag);
                    before_next.extend(lift.map(str::to_owned));
                }
                let rows: Vec<_> = range.map(|at| self.row(context, at)).collect();
                let behind = Behind {
                    rows: &rows,
                    witness: &self.witness(context, at),
                    is_last,
                };
                let (grant, lease) = (&context.grant, self.lease);
                ledger
                    .append_within(connection, grant, lease, behind, before_next, &context.tag)
                    .await
            }
        };
        appended.map_err(|error| FirstFailure::Entry { at, error })
    }

    /// Returns what to save at the end of a batch.
    pub(super) fn batch_end(&self, context: &TryContext<'_>, batch: &BatchState) -> BatchEnd {
        let attempt = &context.attempts[context.first];
        let took = attempt.took.unwrap_or_else(|| attempt.began.elapsed());
        BatchEnd::of(batch, took)
    }

    /// Returns the row that records the success of a change.
    pub(super) fn row(&self, context: &TryContext<'_>, at: usize) -> sqlx_audit::NewAuditRow {
        let attempt = &context.attempts[at];
        let mut row = rows::new_row(&attempt.entry(self.purpose.success(), self.mode(), None));
        let since = |took| attempt.began.elapsed().saturating_sub(took);
        row.ended_ago = attempt.took.map(since).unwrap_or_default();
        row
    }
}
