//! Failure of a function or of the commit: the state of the transaction, and its end.

use flamingock_sqlx_audit::{Failure, Isolation, MarkerKind, Witness};

use super::batch::{
    BatchRunner, TransactionFate, TryContext, TryOutcome, lock_lost, lock_lost_because,
};
use super::conflict::{ErrorSource, Warnings, is_own_conflict, is_read_only, may_roll_back_all};
use super::rollback::unnest;
use super::writer::Writer;
use crate::audit::entry::State;
use crate::sql::cancel::cancel_transaction;
use crate::sql::connection::GuardedConnection;
use crate::sql::connection::becomes_idle;
use crate::sql::driver::{Driver, is_deeper_than, send};
use crate::sql::error::store_error;
use crate::sql::hint::hinted;
use crate::sql::rows;
use crate::target::database::AuditPlacement;
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

pub(super) const ENDED: &str = "the change ended the transaction that it runs in: what it did before that stays. A change must not send COMMIT or ROLLBACK; `transaction = false` gives it a connection without transaction";

impl<D: Driver> BatchRunner<'_, D> {
    /// A function failed, panicked, or was dropped.
    pub(super) async fn function_failed(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        ended: Ended<()>,
    ) -> TryOutcome {
        let interrupted = ended.is_interrupted();
        if interrupted {
            let attempt = &context.attempts[at];
            cancel_transaction::<D>(self.database, &context.grant, attempt, &context.tag).await;
        }
        if let Ended::Lost(reason) = ended {
            // The connection is closed, so nothing of its transaction can be committed.
            return lock_lost_because(context, at, &reason);
        }
        let cause = match ended.into_result() {
            Ok(()) => "the change ended as it should not".into(),
            Err(cause) => cause,
        };
        if interrupted && !becomes_idle::<D>(&mut connection).await {
            return self.resolve_in_doubt(connection, context, at, cause).await;
        }
        let source = match self.parts[at].body.script() {
            _ if interrupted => ErrorSource::Stopped,
            Some(_) => ErrorSource::Script,
            None => ErrorSource::Function,
        };
        let cause = match source {
            ErrorSource::Function => hinted(cause),
            ErrorSource::Script | ErrorSource::Stopped => cause,
        };
        self.change_failed(connection, context, at, source, cause)
            .await
    }

    /// A change failed: determines the state of the transaction and rolls it back.
    pub(super) async fn change_failed(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        source: ErrorSource,
        cause: BoxError,
    ) -> TryOutcome {
        // Any other statement would clear the warnings.
        let Ok(warnings) = Warnings::of::<D>(&mut connection).await else {
            return self.resolve_in_doubt(connection, context, at, cause).await;
        };
        if is_deeper_than::<D>(&mut connection, 1).await
            && unnest::<D>(&mut connection).await.is_err()
        {
            return self.resolve_in_doubt(connection, context, at, cause).await;
        }
        let Ok(fate) = self.transaction_fate(&mut connection, context, at).await else {
            return self.resolve_in_doubt(connection, context, at, cause).await;
        };
        let is_open = !matches!(
            fate,
            TransactionFate::CommittedMidway | TransactionFate::Ended
        );
        if is_open && is_read_only::<D>(&cause) {
            match self.look_for_writer(&mut connection, context).await {
                Writer::Elsewhere => return TryOutcome::NoWriter(cause),
                Writer::RemainsHere => {
                    return self
                        .partly_rolled_back(connection, context, at, &cause)
                        .await;
                }
                Writer::Here => {}
            }
        }
        match fate {
            _ if is_own_conflict::<D>(source, fate, &warnings, &cause) => {
                if warnings.show_remains() {
                    return self
                        .partly_rolled_back(connection, context, at, &cause)
                        .await;
                }
                self.lost_to_conflict(connection, context, at, cause).await
            }
            TransactionFate::Open if self.database.ledger.dialect().has_one_writer => {
                self.roll_back_to_savepoint(connection, context, at, source, cause)
                    .await
            }
            TransactionFate::RolledBackMidway if warnings.show_remains() => {
                self.partly_rolled_back(connection, context, at, &cause)
                    .await
            }
            TransactionFate::RolledBackMidway if !may_roll_back_all::<D>(source, &cause) => {
                self.end_left_behind(connection, context, at, and_ended(&cause))
                    .await
            }
            TransactionFate::Open
            | TransactionFate::Aborted
            | TransactionFate::RolledBackMidway => {
                self.roll_back_and_record(connection, context, at, cause)
                    .await
            }
            TransactionFate::CommittedMidway => {
                self.end_left_behind(connection, context, at, cause).await
            }
            TransactionFate::Ended => {
                self.end_left_behind(connection, context, at, and_ended(&cause))
                    .await
            }
        }
    }

    /// Returns the state of the transaction of a function that failed. Leaves a savepoint that is
    /// needed for the rollback.
    async fn transaction_fate(
        &self,
        connection: &mut GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
    ) -> Result<TransactionFate, sqlx::Error> {
        let ledger = &self.database.ledger;
        if let Some(own_tag) = D::TRANSACTION_TAG {
            return match send::<D>(connection, own_tag.to_owned()).await {
                Ok(mut answer) => {
                    let tag = answer.rows.first_mut().map(|row| row.text(0));
                    let ours = tag.as_deref() == Some(context.tag.as_str());
                    Ok(if ours {
                        TransactionFate::Open
                    } else {
                        TransactionFate::Ended
                    })
                }
                Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
                Err(_) => self.aborted_transaction_fate(connection, context).await,
            };
        }
        if ledger.dialect().isolation == Isolation::Whole {
            // The rollback to the savepoint shows it.
            return Ok(TransactionFate::Open);
        }
        match ledger.release_savepoint(connection, &context.tag).await {
            Ok(()) => Ok(TransactionFate::Open),
            Err(error) if D::classify(&error) == Failure::NoSavepoint => {
                self.fate_without_savepoint(connection, context, at).await
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the state of a transaction that may be aborted. An aborted transaction answers no
    /// query until it is rolled back.
    pub(super) async fn aborted_transaction_fate(
        &self,
        connection: &mut GuardedConnection<D>,
        context: &TryContext<'_>,
    ) -> Result<TransactionFate, sqlx::Error> {
        let Some(own_tag) = D::ABORTED_TAG else {
            return Ok(TransactionFate::Aborted);
        };
        match send::<D>(connection, own_tag.replace("%tag%", &context.tag)).await {
            Ok(mut answer) => {
                let tag = answer.rows.first_mut().map(|row| row.text(0));
                let ours = tag.as_deref() == Some(context.tag.as_str());
                Ok(if ours {
                    TransactionFate::Aborted
                } else {
                    TransactionFate::Ended
                })
            }
            Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
            // No transaction is open.
            Err(_) => Ok(TransactionFate::Ended),
        }
    }

    /// The savepoint is gone: the witness shows whether the database committed or rolled back.
    pub(super) async fn fate_without_savepoint(
        &self,
        connection: &mut GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
    ) -> Result<TransactionFate, sqlx::Error> {
        let ledger = &self.database.ledger;
        let attempt = &context.attempts[at];
        let (id, number) = (attempt.definition.id, i64::from(attempt.number));
        let whole = ledger.dialect().isolation == Isolation::Whole;
        let visible = match self.witness(context, at) {
            Witness::Lease => {
                ledger
                    .lease_witness_is_there(connection, &context.grant, &context.tag)
                    .await?
            }
            // The fencing check and the marker refer to the transaction itself.
            Witness::Row(_) | Witness::Marker(_) if whole && !ledger.dialect().has_one_writer => {
                true
            }
            Witness::Row(_) => {
                let states = ledger
                    .states(connection, &context.grant, id, number)
                    .await?;
                states.iter().any(|state| state == State::Started.as_str())
            }
            Witness::Marker(marker) => {
                let found = ledger.marker(connection, marker).await?;
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
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        source: ErrorSource,
        cause: BoxError,
    ) -> TryOutcome {
        let ledger = &self.database.ledger;
        match D::rollback_obstacle(&mut connection).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                let both = format!("{}; and it cannot be undone: {reason}", chain(&cause));
                return self
                    .end_left_behind(connection, context, at, both.into())
                    .await;
            }
            Err(_) => return self.resolve_in_doubt(connection, context, at, cause).await,
        }
        let entries = match self.placement {
            AuditPlacement::SameDatabase => self.rollback_entries(context, at, &cause),
            AuditPlacement::OtherDatabase { .. } => Vec::new(),
        };
        let rows: Vec<_> = entries.iter().map(rows::new_row).collect();
        let (grant, lease) = (&context.grant, self.lease);
        let undone = if self.parts.len() > 1 {
            ledger
                .undo_together(&mut connection, grant, lease, &rows, &context.tag)
                .await
        } else {
            ledger
                .undo_within(&mut connection, grant, lease, &rows, &context.tag)
                .await
        };
        let committed = match undone {
            Ok(()) => D::commit(&mut connection, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match committed {
            Ok(()) if rows.is_empty() => {
                return self.record_rollback(connection, context, at, cause).await;
            }
            Ok(()) => {
                self.release(connection).await;
                return self.all_rolled_back(context, at, cause, None);
            }
            Err(error) => error,
        };
        match D::classify(&error) {
            // If the change returned the error of the statement that made the database roll back,
            // that statement was its last one.
            Failure::NoSavepoint => match self
                .fate_without_savepoint(&mut connection, context, at)
                .await
            {
                Ok(TransactionFate::RolledBackMidway)
                    if may_roll_back_all::<D>(source, &cause)
                        && !is_in_another::<D>(&mut connection).await =>
                {
                    self.roll_back_and_record(connection, context, at, cause)
                        .await
                }
                Ok(_) => {
                    self.end_left_behind(connection, context, at, and_ended(&cause))
                        .await
                }
                Err(_) => self.resolve_in_doubt(connection, context, at, cause).await,
            },
            Failure::Refused => lock_lost(context, at),
            _ => {
                let unrecorded = Some(store_error::<D>("could not write to the audit", error));
                self.all_rolled_back(context, at, cause, unrecorded)
            }
        }
    }

    /// Records that nothing of the attempts is left. The connection is in no transaction.
    pub(super) async fn record_rollback(
        &self,
        connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TryOutcome {
        self.release(connection).await;
        let entries = self.rollback_entries(context, at, &cause);
        match self.record(context, at, &entries).await {
            Ok(unrecorded) => self.all_rolled_back(context, at, cause, unrecorded),
            Err(_) => lock_lost(context, at),
        }
    }

    /// A change or the database ended the transaction. The work of the change stays. The work of
    /// the changes before it was committed or rolled back with it, which the audit shows.
    pub(super) async fn end_left_behind(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TryOutcome {
        match self.roll_back(&mut connection).await {
            Ok(_) => self.release(connection).await,
            // A pool of one connection has no other one for the record.
            Err(_) => drop(connection),
        }
        let at = self.not_applied_from(context, at).await;
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
        connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TryOutcome {
        // A pool of one connection has no other one.
        drop(connection);
        self.resolve_after_session(context, at, cause).await
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

/// Returns the error of the function, with the fact that it ended the transaction.
fn and_ended(cause: &BoxError) -> BoxError {
    format!("{}; and {ENDED}", chain(cause)).into()
}

/// Reports whether another transaction is open, after the change's own has ended.
async fn is_in_another<D: Driver>(connection: &mut GuardedConnection<D>) -> bool {
    let began = send::<D>(connection, "BEGIN".to_owned()).await.is_ok();
    !(began && send::<D>(connection, "ROLLBACK".to_owned()).await.is_ok())
}
