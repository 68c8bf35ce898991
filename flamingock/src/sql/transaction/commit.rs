//! Success of all functions: the last entry, and the commit.

use flamingock_sqlx_audit::Failure;

use super::batch::{BatchRunner, TransactionFate, TryContext, TryOutcome, lock_lost, not_run};
use super::call::FirstFailure;
use super::failure::ENDED;
use super::writer::Writer;
use crate::audit::entry::TransactionMode;
use crate::sql::connection::GuardedConnection;
use crate::sql::driver::Driver;
use crate::sql::error::store_error;
use crate::sql::marker::conflicting_marker;
use crate::sql::rows;
use crate::target::database::{AuditPlacement, TransactionOutcome};
use crate::util::error_chain::chain;

const ROLLED_BACK_MIDWAY: &str = "the database rolled the transaction back before the change ended, and the change went on: it must return the error of a deadlock or of a lock that was not obtained";
const NOT_COMMITTED: &str = "the database refused to commit the changes of an atomic stage";
const NOT_WRITTEN: &str = "could not write to the audit";

impl<D: Driver> BatchRunner<'_, D> {
    /// The only change has ended: appends its entry and commits.
    pub(super) async fn append_and_commit(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
    ) -> TryOutcome {
        match self
            .append_entries(&mut connection, context, 0..1, None)
            .await
        {
            Err(FirstFailure::Entry { at, error }) => {
                self.entry_refused(connection, context, at, error).await
            }
            Err(FirstFailure::Change { at, ended }) => {
                self.function_failed(connection, context, at, ended).await
            }
            Ok(()) => self.commit(connection, context, 0, self.mode()).await,
        }
    }

    /// The database rejected the entry of a success.
    pub(super) async fn entry_refused(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        error: sqlx::Error,
    ) -> TryOutcome {
        match D::classify(&error) {
            Failure::NoSavepoint => match self
                .fate_without_savepoint(&mut connection, context, at)
                .await
            {
                Ok(TransactionFate::CommittedMidway) => {
                    self.append_and_commit_midway(connection, context, at).await
                }
                // On a database on which later statements commit one by one, their work stays.
                Ok(TransactionFate::RolledBackMidway)
                    if !self.database.ledger.dialect().has_one_writer =>
                {
                    self.roll_back_and_record(connection, context, at, ROLLED_BACK_MIDWAY.into())
                        .await
                }
                Ok(
                    TransactionFate::Open
                    | TransactionFate::Aborted
                    | TransactionFate::Ended
                    | TransactionFate::RolledBackMidway,
                ) => {
                    self.end_left_behind(connection, context, at, ENDED.into())
                        .await
                }
                Err(_) => {
                    self.resolve_in_doubt(connection, context, at, error.into())
                        .await
                }
            },
            Failure::Refused => match self.roll_back(&mut connection).await {
                Ok(_) => match self.holds_lock(&mut connection, context).await {
                    // This run still owns the lock, so the transaction was ended.
                    Ok(true) => {
                        self.end_left_behind(connection, context, at, ENDED.into())
                            .await
                    }
                    Ok(false) => lock_lost(context, at),
                    Err(_) => {
                        self.resolve_in_doubt(connection, context, at, error.into())
                            .await
                    }
                },
                Err(_) => {
                    self.resolve_in_doubt(connection, context, at, error.into())
                        .await
                }
            },
            failure @ Failure::Duplicate if self.is_marker_conflict(failure) => {
                drop(connection);
                self.marker_conflict(context, at, error).await
            }
            Failure::Disconnected => {
                self.resolve_in_doubt(connection, context, at, error.into())
                    .await
            }
            Failure::ReadOnly => match self.look_for_writer(&mut connection, context).await {
                Writer::Elsewhere => TryOutcome::NoWriter(error.into()),
                Writer::RemainsHere => {
                    self.partly_rolled_back(connection, context, at, &error.into())
                        .await
                }
                Writer::Here => {
                    let cause = store_error::<D>(NOT_WRITTEN, error);
                    self.roll_back_and_record(connection, context, at, cause.into())
                        .await
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
                match self
                    .aborted_transaction_fate(&mut connection, context)
                    .await
                {
                    Ok(TransactionFate::Ended) => {
                        return self
                            .end_left_behind(connection, context, at, ENDED.into())
                            .await;
                    }
                    Ok(_) => {}
                    Err(_) => {
                        return self
                            .resolve_in_doubt(connection, context, at, error.into())
                            .await;
                    }
                }
                if failure.is_conflict() || failure == Failure::LockTimeout {
                    return self
                        .lost_to_conflict(connection, context, at, error.into())
                        .await;
                }
                let cause = store_error::<D>(NOT_WRITTEN, error);
                self.roll_back_and_record(connection, context, at, cause.into())
                    .await
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
    pub(super) async fn marker_conflict(
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
    async fn append_and_commit_midway(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
    ) -> TryOutcome {
        let ledger = &self.database.ledger;
        let appended = match self.placement {
            AuditPlacement::SameDatabase => {
                let success = self.purpose.success();
                let entry = context.attempts[at].entry(success, TransactionMode::None, None);
                let (row, witness) = (rows::new_row(&entry), self.witness(context, at));
                ledger
                    .append_midway(
                        &mut connection,
                        &context.grant,
                        &row,
                        &witness,
                        &context.tag,
                    )
                    .await
            }
            AuditPlacement::OtherDatabase { .. } => {
                ledger
                    .mark_midway(&mut connection, &context.marker, &context.tag)
                    .await
            }
        };
        let Err(error) = appended else {
            return self
                .commit(connection, context, at, TransactionMode::None)
                .await;
        };
        match D::classify(&error) {
            Failure::Refused => lock_lost(context, at),
            Failure::Disconnected => {
                self.resolve_in_doubt(connection, context, at, error.into())
                    .await
            }
            _ => {
                let cause = store_error::<D>(NOT_WRITTEN, error);
                self.end_left_behind(connection, context, at, cause.into())
                    .await
            }
        }
    }

    /// Commits the work up to this change. The mode is `none` if a part of it is committed already.
    pub(super) async fn commit(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        mode: TransactionMode,
    ) -> TryOutcome {
        match self.commit_open(&mut connection).await {
            Ok(()) => self.committed(connection, context, at, &mode).await,
            Err(error) => {
                self.commit_refused(connection, context, at, mode, error)
                    .await
            }
        }
    }

    pub(super) async fn committed(
        &self,
        connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        mode: &TransactionMode,
    ) -> TryOutcome {
        self.release(connection).await;
        if *mode == TransactionMode::None {
            return TryOutcome::CommittedMidway(at);
        }
        let done = |_| TransactionOutcome::Done { mode: mode.clone() };
        TryOutcome::Ended((context.first..=at).map(done).collect())
    }

    /// The database rejected the commit, or its answer was lost.
    pub(super) async fn commit_refused(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        mode: TransactionMode,
        error: sqlx::Error,
    ) -> TryOutcome {
        let failure = D::classify(&error);
        // The error of a deferred constraint contains values, possibly of an earlier change.
        let parts = self.parts.iter();
        let cause = parts.fold(error.into(), |cause, part| part.invocation.scrubbed(cause));
        match failure {
            Failure::Disconnected => self.resolve_in_doubt(connection, context, at, cause).await,
            _ if mode == TransactionMode::None => {
                self.end_left_behind(connection, context, at, cause).await
            }
            // The server rolled it back.
            Failure::ReadOnly => match self.look_for_writer(&mut connection, context).await {
                Writer::Elsewhere => TryOutcome::NoWriter(cause),
                Writer::RemainsHere => {
                    self.partly_rolled_back(connection, context, at, &cause)
                        .await
                }
                Writer::Here => {
                    self.roll_back_and_record(connection, context, at, cause)
                        .await
                }
            },
            failure if failure.is_conflict() || failure == Failure::LockTimeout => {
                self.lost_to_conflict(connection, context, at, cause).await
            }
            _ if self.parts.len() > 1 => {
                let cause = format!("{NOT_COMMITTED}: {}", chain(&cause));
                self.roll_back_and_record(connection, context, at, cause.into())
                    .await
            }
            _ => {
                self.roll_back_and_record(connection, context, at, cause)
                    .await
            }
        }
    }
}
