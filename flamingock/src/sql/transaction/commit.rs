//! Success of all functions: the last entry, and the commit.

use flamingock_sqlx_audit::Failure;

use super::call::FirstFailure;
use super::failure::ENDED;
use super::tries::{
    OpenTransaction, TransactionFate, TransactionRunner, TryContext, TryOutcome, lock_lost, not_run,
};
use super::writer::Writer;
use crate::audit::entry::TransactionMode;
use crate::sql::connection::GuardedConnection;
use crate::sql::driver::Driver;
use crate::sql::error::store_error;
use crate::sql::marker::conflicting_marker;
use crate::sql::progress::batch_write;
use crate::sql::rows;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::util::error_chain::chain;

const ROLLED_BACK_MIDWAY: &str = "the database rolled the transaction back before the change ended, and the change went on: it must return the error of a deadlock or of a lock that was not acquired";
const NOT_COMMITTED: &str = "the database refused to commit the changes of an atomic stage";
const NOT_WRITTEN: &str = "could not write to the audit";

impl<D: Driver> TransactionRunner<'_, D> {
    /// The only change has ended: appends its entry and commits.
    pub(super) async fn append_and_commit(&self, mut open: OpenTransaction<'_, D>) -> TryOutcome {
        let appended = self.append_entries(&mut open.connection, open.context, 0..1, None);
        match appended.await {
            Ok(()) => self.commit(open, self.mode()).await,
            Err(failure) => {
                self.end_failed(open.connection, open.context, failure)
                    .await
            }
        }
    }

    /// Ends a transaction in which a function or an entry failed.
    pub(super) async fn end_failed(
        &self,
        connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        failure: FirstFailure,
    ) -> TryOutcome {
        let (FirstFailure::Change { at, .. } | FirstFailure::Entry { at, .. }) = failure;
        let open = OpenTransaction {
            connection,
            context,
            at,
        };
        match failure {
            FirstFailure::Change { ended, .. } => self.end_failed_function(open, ended).await,
            FirstFailure::Entry { error, .. } => self.end_refused_entry(open, error).await,
        }
    }

    /// The database rejected the entry of a success.
    pub(super) async fn end_refused_entry(
        &self,
        mut open: OpenTransaction<'_, D>,
        error: sqlx::Error,
    ) -> TryOutcome {
        match D::classify(&error) {
            Failure::NoSavepoint => match self.fate_without_savepoint(&mut open).await {
                Ok(TransactionFate::CommittedMidway) => self.append_and_commit_midway(open).await,
                // On a database on which later statements commit one by one, their work stays.
                Ok(TransactionFate::RolledBackMidway)
                    if !self.database.ledger.dialect().has_one_writer =>
                {
                    self.roll_back_and_record(open, ROLLED_BACK_MIDWAY.into())
                        .await
                }
                Ok(
                    TransactionFate::Open
                    | TransactionFate::Aborted
                    | TransactionFate::Ended
                    | TransactionFate::RolledBackMidway,
                ) => self.end_left_behind(open, ENDED.into()).await,
                Err(_) => self.resolve_in_doubt(open, error.into()).await,
            },
            Failure::Refused => match self.roll_back(&mut open).await {
                Ok(_) => match self.holds_lock(&mut open).await {
                    // This run still owns the lock, so the transaction was ended.
                    Ok(true) => self.end_left_behind(open, ENDED.into()).await,
                    Ok(false) => lock_lost(open.context, open.at),
                    Err(_) => self.resolve_in_doubt(open, error.into()).await,
                },
                Err(_) => self.resolve_in_doubt(open, error.into()).await,
            },
            failure @ Failure::Duplicate if self.is_marker_conflict(failure) => {
                drop(open.connection);
                self.end_marker_conflict(open.context, open.at, error).await
            }
            Failure::Disconnected => self.resolve_in_doubt(open, error.into()).await,
            Failure::ReadOnly => match self.look_for_writer(&mut open).await {
                Writer::Elsewhere => TryOutcome::NoWriter(error.into()),
                Writer::RemainsHere => self.end_partly_rolled_back(open, &error.into()).await,
                Writer::Here => {
                    let cause = store_error::<D>(NOT_WRITTEN, error);
                    self.roll_back_and_record(open, cause.into()).await
                }
            },
            failure @ (Failure::Serialization
            | Failure::Deadlock
            | Failure::LockTimeout
            | Failure::MissingTable
            | Failure::Busy
            | Failure::Duplicate
            | Failure::Denied
            | Failure::Other) => {
                // The change may have continued in a transaction of its own, or ignored an error.
                match self.aborted_transaction_fate(&mut open).await {
                    Ok(TransactionFate::Ended) => {
                        return self.end_left_behind(open, ENDED.into()).await;
                    }
                    Ok(_) => {}
                    Err(_) => {
                        return self.resolve_in_doubt(open, error.into()).await;
                    }
                }
                if failure.is_conflict() || failure == Failure::LockTimeout {
                    return self.end_conflict(open, error.into()).await;
                }
                let cause = store_error::<D>(NOT_WRITTEN, error);
                self.roll_back_and_record(open, cause.into()).await
            }
        }
    }

    /// Reports whether the failure means that a marker with the key of this attempt exists.
    pub(super) fn is_marker_conflict(&self, failure: Failure) -> bool {
        failure == Failure::Duplicate
            && matches!(self.placement, AuditPlacement::OtherDatabase { .. })
    }

    /// A marker with the key of this attempt exists: the tombstone of a new lock owner, or a
    /// foreign marker.
    pub(super) async fn end_marker_conflict(
        &self,
        context: &TryContext<'_>,
        at: usize,
        error: sqlx::Error,
    ) -> TryOutcome {
        match conflicting_marker(self.database, &context.marker).await {
            Ok(Some(foreign)) => not_run(foreign.into()),
            Ok(None) => lock_lost(context, at),
            Err(_) => TryOutcome::Ended(vec![TransactionOutcome::Unknown {
                cause: error.into(),
            }]),
        }
    }

    /// The database committed midway in a change that then ran to its end: the rest of it is
    /// committed with its entry.
    async fn append_and_commit_midway(&self, mut open: OpenTransaction<'_, D>) -> TryOutcome {
        let ledger = &self.database.ledger;
        let appended = match self.placement {
            AuditPlacement::SameDatabase => {
                let success = self.purpose.success();
                let entry =
                    open.context.attempts[open.at].entry(success, TransactionMode::None, None);
                let (row, witness) = (rows::new_row(&entry), self.witness(open.context, open.at));
                ledger
                    .append_midway(
                        &mut open.connection,
                        &open.context.grant,
                        &row,
                        &witness,
                        &open.context.tag,
                    )
                    .await
            }
            AuditPlacement::Progress {
                batch, holds_audit, ..
            } => {
                let owner = open.context.progress_owner(holds_audit);
                let end = self.batch_end(open.context, batch);
                let (write, tag) = (batch_write(&end), &open.context.tag);
                ledger
                    .save_batch_midway(&mut open.connection, &owner, &write, tag)
                    .await
            }
            AuditPlacement::OtherDatabase { .. } => {
                ledger
                    .mark_midway(
                        &mut open.connection,
                        &open.context.marker,
                        &open.context.tag,
                    )
                    .await
            }
        };
        let Err(error) = appended else {
            return self.commit(open, TransactionMode::None).await;
        };
        match D::classify(&error) {
            Failure::Refused => lock_lost(open.context, open.at),
            Failure::Disconnected => self.resolve_in_doubt(open, error.into()).await,
            _ => {
                let cause = store_error::<D>(NOT_WRITTEN, error);
                self.end_left_behind(open, cause.into()).await
            }
        }
    }

    /// Commits the work up to this change. The mode is `none` if a part of it is committed already.
    pub(super) async fn commit(
        &self,
        mut open: OpenTransaction<'_, D>,
        mode: TransactionMode,
    ) -> TryOutcome {
        match self.commit_open(&mut open).await {
            Ok(()) => self.end_committed(open, &mode).await,
            Err(error) => self.end_refused_commit(open, mode, error).await,
        }
    }

    pub(super) async fn end_committed(
        &self,
        open: OpenTransaction<'_, D>,
        mode: &TransactionMode,
    ) -> TryOutcome {
        self.release(open.connection).await;
        if *mode == TransactionMode::None {
            return TryOutcome::CommittedMidway(open.at);
        }
        let done = |_| TransactionOutcome::Done { mode: mode.clone() };
        TryOutcome::Ended((open.context.first..=open.at).map(done).collect())
    }

    /// The database rejected the commit, or its answer was lost.
    pub(super) async fn end_refused_commit(
        &self,
        mut open: OpenTransaction<'_, D>,
        mode: TransactionMode,
        error: sqlx::Error,
    ) -> TryOutcome {
        let failure = D::classify(&error);
        // The error of a deferred constraint contains values, possibly of an earlier change.
        let parts = self.parts.iter();
        let cause = parts.fold(error.into(), |cause, part| part.invocation.scrubbed(cause));
        match failure {
            Failure::Disconnected => self.resolve_in_doubt(open, cause).await,
            _ if mode == TransactionMode::None => self.end_left_behind(open, cause).await,
            // The server rolled it back.
            Failure::ReadOnly => match self.look_for_writer(&mut open).await {
                Writer::Elsewhere => TryOutcome::NoWriter(cause),
                Writer::RemainsHere => self.end_partly_rolled_back(open, &cause).await,
                Writer::Here => self.roll_back_and_record(open, cause).await,
            },
            failure if failure.is_conflict() || failure == Failure::LockTimeout => {
                self.end_conflict(open, cause).await
            }
            _ if self.parts.len() > 1 => {
                let cause = format!("{NOT_COMMITTED}: {}", chain(&cause));
                self.roll_back_and_record(open, cause.into()).await
            }
            _ => self.roll_back_and_record(open, cause).await,
        }
    }
}
