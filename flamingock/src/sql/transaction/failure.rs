//! Failure of a function or of the commit: the state of the transaction, and its end.

use flamingock_sqlx_audit::{Failure, Isolation, MarkerKind, Witness};

use super::conflict::{ErrorSource, Warnings, is_own_conflict, is_read_only, may_roll_back_all};
use super::tries::{
    OpenTransaction, TransactionFate, TransactionRunner, TryContext, TryOutcome, lock_lost,
    lock_lost_because,
};
use super::writer::Writer;
use crate::audit::entry::State;
use crate::sql::cancel::cancel_transaction;
use crate::sql::connection::{GuardedConnection, wait_until_idle};
use crate::sql::driver::{Driver, is_deeper_than, rollback_to_depth, send};
use crate::sql::error::store_error;
use crate::sql::hint::hinted;
use crate::sql::rows;
use crate::target::database::AuditPlacement;
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

pub(super) const ENDED: &str = "the change ended the transaction that it runs in: what it did before that stays. A change must not send COMMIT or ROLLBACK; `transaction = false` gives it a connection without transaction";

impl<D: Driver> TransactionRunner<'_, D> {
    /// A function failed, panicked, or was dropped.
    pub(super) async fn end_failed_function(
        &self,
        mut open: OpenTransaction<'_, D>,
        ended: Ended<()>,
    ) -> TryOutcome {
        let interrupted = ended.is_interrupted();
        if interrupted {
            self.cancel(open.context, open.at).await;
        }
        if let Ended::Lost(reason) = ended {
            // The connection is closed, so nothing of its transaction can be committed.
            return lock_lost_because(open.context, open.at, &reason);
        }
        let cause = match ended.into_result() {
            Ok(()) => "the change ended as it should not".into(),
            Err(cause) => cause,
        };
        if interrupted && !wait_until_idle::<D>(&mut open.connection).await {
            return self.resolve_in_doubt(open, cause).await;
        }
        let source = match self.parts[open.at].body.script() {
            _ if interrupted => ErrorSource::Stopped,
            Some(_) => ErrorSource::Script,
            None => ErrorSource::Function,
        };
        let cause = match source {
            ErrorSource::Function => hinted(cause),
            ErrorSource::Script | ErrorSource::Stopped => cause,
        };
        self.end_failed_change(open, source, cause).await
    }

    /// Cancels the running statement of the transaction.
    pub(super) async fn cancel(&self, context: &TryContext<'_>, at: usize) {
        cancel_transaction::<D>(self.database, context.session(at)).await;
    }

    /// A change failed: determines the state of the transaction and rolls it back.
    pub(super) async fn end_failed_change(
        &self,
        mut open: OpenTransaction<'_, D>,
        source: ErrorSource,
        cause: BoxError,
    ) -> TryOutcome {
        // Any other statement would clear the warnings.
        let Ok(warnings) = Warnings::of::<D>(&mut open.connection).await else {
            return self.resolve_in_doubt(open, cause).await;
        };
        if is_deeper_than::<D>(&mut open.connection, 1).await
            && rollback_to_depth::<D>(&mut open.connection, 1)
                .await
                .is_err()
        {
            return self.resolve_in_doubt(open, cause).await;
        }
        let Ok(fate) = self.transaction_fate(&mut open).await else {
            return self.resolve_in_doubt(open, cause).await;
        };
        let is_open = !matches!(
            fate,
            TransactionFate::CommittedMidway | TransactionFate::Ended
        );
        if is_open && is_read_only::<D>(&cause) {
            match self.look_for_writer(&mut open).await {
                Writer::Elsewhere => return TryOutcome::NoWriter(cause),
                Writer::RemainsHere => {
                    return self.end_partly_rolled_back(open, &cause).await;
                }
                Writer::Here => {}
            }
        }
        match fate {
            _ if is_own_conflict::<D>(source, fate, &warnings, &cause) => {
                if warnings.show_remains() {
                    return self.end_partly_rolled_back(open, &cause).await;
                }
                self.end_conflict(open, cause).await
            }
            TransactionFate::Open if self.database.ledger.dialect().has_one_writer => {
                self.roll_back_to_savepoint(open, source, cause).await
            }
            TransactionFate::RolledBackMidway if warnings.show_remains() => {
                self.end_partly_rolled_back(open, &cause).await
            }
            TransactionFate::RolledBackMidway if !may_roll_back_all::<D>(source, &cause) => {
                self.end_left_behind(open, and_ended(&cause)).await
            }
            TransactionFate::Open
            | TransactionFate::Aborted
            | TransactionFate::RolledBackMidway => self.roll_back_and_record(open, cause).await,
            TransactionFate::CommittedMidway => self.end_left_behind(open, cause).await,
            TransactionFate::Ended => self.end_left_behind(open, and_ended(&cause)).await,
        }
    }

    /// Returns the state of the transaction of a function that failed. Leaves a savepoint that is
    /// needed for the rollback.
    async fn transaction_fate(
        &self,
        open: &mut OpenTransaction<'_, D>,
    ) -> Result<TransactionFate, sqlx::Error> {
        let ledger = &self.database.ledger;
        if let Some(own_tag) = D::TRANSACTION_TAG {
            return match has_tag::<D>(&mut open.connection, own_tag.to_owned(), &open.context.tag)
                .await
            {
                Ok(true) => Ok(TransactionFate::Open),
                Ok(false) => Ok(TransactionFate::Ended),
                Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
                Err(_) => self.aborted_transaction_fate(open).await,
            };
        }
        if ledger.dialect().isolation == Isolation::Whole {
            // The rollback to the savepoint shows it.
            return Ok(TransactionFate::Open);
        }
        match ledger
            .release_savepoint(&mut open.connection, &open.context.tag)
            .await
        {
            Ok(()) => Ok(TransactionFate::Open),
            Err(error) if D::classify(&error) == Failure::NoSavepoint => {
                self.fate_without_savepoint(open).await
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the state of a transaction that may be aborted. An aborted transaction answers no
    /// query until it is rolled back.
    pub(super) async fn aborted_transaction_fate(
        &self,
        open: &mut OpenTransaction<'_, D>,
    ) -> Result<TransactionFate, sqlx::Error> {
        let Some(own_tag) = D::ABORTED_TAG else {
            return Ok(TransactionFate::Aborted);
        };
        let query = own_tag.replace("%tag%", &open.context.tag);
        match has_tag::<D>(&mut open.connection, query, &open.context.tag).await {
            Ok(true) => Ok(TransactionFate::Aborted),
            Ok(false) => Ok(TransactionFate::Ended),
            Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
            // No transaction is open.
            Err(_) => Ok(TransactionFate::Ended),
        }
    }

    /// The savepoint is gone: the witness shows whether the database committed or rolled back.
    pub(super) async fn fate_without_savepoint(
        &self,
        open: &mut OpenTransaction<'_, D>,
    ) -> Result<TransactionFate, sqlx::Error> {
        let ledger = &self.database.ledger;
        let attempt = &open.context.attempts[open.at];
        let (id, number) = (attempt.definition.id, i64::from(attempt.number));
        let whole = ledger.dialect().isolation == Isolation::Whole;
        let visible = match self.witness(open.context, open.at) {
            Witness::Lease => {
                ledger
                    .lease_witness_is_there(
                        &mut open.connection,
                        &open.context.grant,
                        &open.context.tag,
                    )
                    .await?
            }
            // The fencing check and the marker refer to the transaction itself.
            Witness::Row(_) | Witness::Marker { .. } | Witness::Progress { .. }
                if whole && !ledger.dialect().has_one_writer =>
            {
                true
            }
            Witness::Row(_) => {
                let states = ledger
                    .states(&mut open.connection, &open.context.grant, id, number)
                    .await?;
                states.iter().any(|state| state == State::Started.as_str())
            }
            Witness::Progress { owner, .. } => {
                let saved = ledger.progress(&mut open.connection, owner.grant, owner.change_id);
                let tag = saved.await?.and_then(|saved| saved.tag);
                tag.as_deref() == Some(&*open.context.tag)
            }
            // The savepoint is gone, and the script did not commit.
            Witness::Unneeded => false,
            Witness::Marker { marker, .. } => {
                let found = ledger.marker(&mut open.connection, marker).await?;
                found.is_some_and(|found| found.kind == MarkerKind::Started)
            }
        };
        Ok(match (visible, whole) {
            (true, true) => TransactionFate::Ended,
            (true, false) => TransactionFate::CommittedMidway,
            (false, _) => TransactionFate::RolledBackMidway,
        })
    }

    /// SQLite: rolls everything back and, if the audit is in this database, records that in the
    /// same transaction, so that no other session writes in between.
    async fn roll_back_to_savepoint(
        &self,
        mut open: OpenTransaction<'_, D>,
        source: ErrorSource,
        cause: BoxError,
    ) -> TryOutcome {
        let ledger = &self.database.ledger;
        match D::rollback_obstacle(&mut open.connection).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                let both = format!("{}; and it cannot be undone: {reason}", chain(&cause));
                return self.end_left_behind(open, both.into()).await;
            }
            Err(_) => return self.resolve_in_doubt(open, cause).await,
        }
        let entries = match self.placement {
            AuditPlacement::SameDatabase => self.rollback_entries(open.context, open.at, &cause),
            AuditPlacement::OtherDatabase { .. } | AuditPlacement::Progress { .. } => Vec::new(),
        };
        let rows: Vec<_> = entries.iter().map(rows::new_row).collect();
        let (grant, lease) = (&open.context.grant, self.lease);
        let undone = if self.parts.len() > 1 {
            ledger
                .undo_together(&mut open.connection, grant, lease, &rows, &open.context.tag)
                .await
        } else {
            ledger
                .undo_within(&mut open.connection, grant, lease, &rows, &open.context.tag)
                .await
        };
        let committed = match undone {
            Ok(()) => D::commit(&mut open.connection, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match committed {
            Ok(()) if rows.is_empty() => {
                return self.record_rollback(open, cause).await;
            }
            Ok(()) => {
                self.release(open.connection).await;
                return self.all_rolled_back(open.context, open.at, cause, None);
            }
            Err(error) => error,
        };
        match D::classify(&error) {
            // If the change returned the error of the statement that made the database roll back,
            // that statement was its last one.
            Failure::NoSavepoint => match self.fate_without_savepoint(&mut open).await {
                Ok(TransactionFate::RolledBackMidway)
                    if may_roll_back_all::<D>(source, &cause)
                        && !is_in_another::<D>(&mut open.connection).await =>
                {
                    self.roll_back_and_record(open, cause).await
                }
                Ok(_) => self.end_left_behind(open, and_ended(&cause)).await,
                Err(_) => self.resolve_in_doubt(open, cause).await,
            },
            Failure::Refused => lock_lost(open.context, open.at),
            _ => {
                let unrecorded = Some(store_error::<D>("could not write to the audit", error));
                self.all_rolled_back(open.context, open.at, cause, unrecorded)
            }
        }
    }

    /// Records that nothing of the attempts is left. The connection is in no transaction.
    pub(super) async fn record_rollback(
        &self,
        open: OpenTransaction<'_, D>,
        cause: BoxError,
    ) -> TryOutcome {
        self.release(open.connection).await;
        let entries = self.rollback_entries(open.context, open.at, &cause);
        match self.record(open.context, open.at, &entries).await {
            Ok(unrecorded) => self.all_rolled_back(open.context, open.at, cause, unrecorded),
            Err(_) => lock_lost(open.context, open.at),
        }
    }

    /// A change or the database ended the transaction. The work of the change stays. The work of
    /// the changes before it was committed or rolled back with it, which the audit shows.
    pub(super) async fn end_left_behind(
        &self,
        mut open: OpenTransaction<'_, D>,
        cause: BoxError,
    ) -> TryOutcome {
        match self.roll_back(&mut open).await {
            Ok(_) => self.release(open.connection).await,
            // A pool of one connection has no other one for the record.
            Err(_) => drop(open.connection),
        }
        let context = open.context;
        let at = self.not_applied_from(context, open.at).await;
        let mut ended = self
            .resolve_each(context, context.first..at, at, None)
            .await;
        ended.push(self.record_left_behind(context, at, cause).await);
        TryOutcome::Ended(ended)
    }

    /// The connection is lost or does not answer: determines the outcome of the transaction on
    /// another one.
    pub(super) async fn resolve_in_doubt(
        &self,
        open: OpenTransaction<'_, D>,
        cause: BoxError,
    ) -> TryOutcome {
        // A pool of one connection has no other one.
        drop(open.connection);
        self.resolve_after_session(open.context, open.at, cause)
            .await
    }

    /// Reads the outcome of the transaction. Its session has ended.
    pub(super) async fn resolve_after_session(
        &self,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TryOutcome {
        let range = context.first..at + 1;
        TryOutcome::Ended(self.resolve_each(context, range, at, Some(cause)).await)
    }
}

/// Reports whether the query returns this tag.
async fn has_tag<D: Driver>(
    connection: &mut GuardedConnection<D>,
    query: String,
    tag: &str,
) -> Result<bool, sqlx::Error> {
    let mut answer = send::<D>(connection, query).await?;
    let found = answer.rows.first_mut().map(|row| row.text(0));
    Ok(found.as_deref() == Some(tag))
}

/// Returns the error of the function, with the fact that it ended the transaction.
fn and_ended(cause: &BoxError) -> BoxError {
    format!("{}; and {ENDED}", chain(cause)).into()
}

/// Reports whether another transaction is open, after the change's own has ended.
async fn is_in_another<D: Driver>(connection: &mut GuardedConnection<D>) -> bool {
    let began = send::<D>(connection, "BEGIN".to_owned()).await.is_ok();
    !(began && send::<D>(connection, "ROLLBACK".to_owned()).await.is_ok())
}
