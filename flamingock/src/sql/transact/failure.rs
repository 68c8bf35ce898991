//! A function failed, or the commit did: what is left of the transaction, and what becomes of it.

use flamingock_sqlx_audit::{Conn, Failure, Isolation, MarkerKind, Witness};

use super::{Afterwards, SuccessEntry, Transact, Tried, Try, all_lost, comes_to_rest, lost};
use crate::audit::State;
use crate::call::{Ended, chain};
use crate::change::BoxError;
use crate::secrets::Scrubbed;
use crate::sql::cancel::cancel_transaction;
use crate::sql::driver::{Driver, depth, is_deeper, send};
use crate::sql::held::Held;
use crate::sql::rows;
use crate::sql::store::failed;

pub(super) const ENDED: &str = "the change ended the transaction that it runs in: what it did before that stays. A change must not send COMMIT or ROLLBACK; `transaction = false` gives it a connection without transaction";

impl<D: Driver> Transact<'_, D> {
    /// A function did not return what it should, or was not waited for.
    pub(super) async fn broke(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        ended: Ended<()>,
    ) -> Tried {
        let interrupted = ended.is_interrupted();
        if interrupted {
            let attempt = &one.attempts[at];
            cancel_transaction::<D>(self.database, &one.possession, attempt, &one.tag).await;
        }
        if let Ended::Lost(reason) = ended {
            // The connection is closed with what it carries: nothing of it can be committed.
            return all_lost(one, at, &reason);
        }
        let cause = match ended.into_result() {
            Ok(()) => "the change ended as it should not".into(),
            Err(cause) => cause,
        };
        if interrupted && !comes_to_rest::<D>(&mut held).await {
            return self.settle(held, one, at, cause).await;
        }
        self.fail(held, one, at, cause).await
    }

    /// A function returned an error: finds out what is left of the transaction and undoes it.
    pub(super) async fn fail(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        let conflict = is_conflict::<D>(&cause) && !one.last;
        if is_deeper::<D>(&mut held, 1).await && unnest::<D>(&mut held).await.is_err() {
            return self.settle(held, one, at, cause).await;
        }
        let Ok(afterwards) = self.inspect(&mut held, one, at).await else {
            return self.settle(held, one, at, cause).await;
        };
        match afterwards {
            Afterwards::Whole | Afterwards::RolledBackMidway if conflict => {
                match self.refused(&mut held, one).await {
                    Ok(true) => Tried::Conflict(cause),
                    Ok(false) => lost(one, at),
                    Err(_) => self.settle(held, one, at, cause).await,
                }
            }
            Afterwards::Whole if self.database.ledger.dialect().has_one_writer => {
                self.undo_savepoint(held, one, at, cause).await
            }
            Afterwards::Whole | Afterwards::RolledBackMidway => {
                self.undo(held, one, at, cause).await
            }
            Afterwards::CommittedMidway => self.left_behind(held, one, at, cause).await,
            Afterwards::Ended => self.left_behind(held, one, at, and_ended(&cause)).await,
        }
    }

    /// What became of the transaction of a function that returned an error. A savepoint is left as
    /// it is where it is needed to undo.
    async fn inspect(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
        at: usize,
    ) -> Result<Afterwards, sqlx::Error> {
        let ledger = &self.database.ledger;
        if let Some(own_tag) = D::OWN_TAG {
            return match send::<D>(held, own_tag.to_owned()).await {
                Ok(mut answer) => {
                    let tag = answer.rows.first_mut().map(|row| row.text(0));
                    let ours = tag.as_deref() == Some(one.tag.as_str());
                    Ok(if ours {
                        Afterwards::Whole
                    } else {
                        Afterwards::Ended
                    })
                }
                // An aborted transaction answers nothing until it is rolled back: it is open still.
                Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
                Err(_) => Ok(Afterwards::Whole),
            };
        }
        if ledger.dialect().isolation == Isolation::Whole {
            // Found out when it is rolled back to.
            return Ok(Afterwards::Whole);
        }
        match ledger.release_savepoint(held, &one.tag).await {
            Ok(()) => Ok(Afterwards::Whole),
            Err(error) if D::classify(&error) == Failure::NoSavepoint => {
                self.without_savepoint(held, one, at).await
            }
            Err(error) => Err(error),
        }
    }

    /// The savepoint is gone: the witness tells whether the database has committed or rolled back.
    pub(super) async fn without_savepoint(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
        at: usize,
    ) -> Result<Afterwards, sqlx::Error> {
        let ledger = &self.database.ledger;
        let attempt = &one.attempts[at];
        let (id, number) = (attempt.definition.id, i64::from(attempt.number));
        let whole = ledger.dialect().isolation == Isolation::Whole;
        let visible = match self.witness(one, at) {
            Witness::Lease => {
                ledger
                    .lease_witness_is_there(held, &one.possession, &one.tag)
                    .await?
            }
            // The fence and the marker look at the transaction itself.
            Witness::Row(_) | Witness::Marker(_) if whole && !ledger.dialect().has_one_writer => {
                true
            }
            Witness::Row(_) => {
                let states = ledger.states(held, &one.possession, id, number).await?;
                states.iter().any(|state| state == State::Started.as_str())
            }
            Witness::Marker(marker) => {
                ledger.marker(held, marker).await? == Some(MarkerKind::Started)
            }
        };
        Ok(match (visible, whole) {
            (true, true) => Afterwards::Ended,
            (true, false) => Afterwards::CommittedMidway,
            (false, _) => Afterwards::RolledBackMidway,
        })
    }

    /// Rolls back and tells whether the possession is still ours.
    pub(super) async fn refused(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
    ) -> Result<bool, sqlx::Error> {
        self.roll_back(held).await?;
        match self.entry {
            SuccessEntry::Here(_) => self.database.ledger.holds(held, &one.possession).await,
            // The audit is elsewhere: its next entry tells.
            SuccessEntry::Elsewhere { .. } => Ok(true),
        }
    }

    /// SQLite: undoes everything and, where the audit is here, records that in the same transaction, so
    /// that nobody writes in between.
    async fn undo_savepoint(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        let ledger = &self.database.ledger;
        let (entries, lease) = match self.entry {
            SuccessEntry::Here(store) => (self.undone_entries(one, at, &cause), store.lease()),
            SuccessEntry::Elsewhere { .. } => (Vec::new(), None),
        };
        let rows: Vec<_> = entries.iter().map(rows::new_row).collect();
        let (connection, possession) = (&mut held, &one.possession);
        let undone = if self.parts.len() > 1 {
            ledger
                .undo_together(connection, possession, lease, &rows, &one.tag)
                .await
        } else {
            ledger
                .undo_within(connection, possession, lease, &rows, &one.tag)
                .await
        };
        let committed = match undone {
            Ok(()) => D::commit(&mut held, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match committed {
            Ok(()) if rows.is_empty() => return self.undone(held, one, at, cause).await,
            Ok(()) => {
                self.give_back(held);
                return self.all_undone(one, at, cause, None);
            }
            Err(error) => error,
        };
        match D::classify(&error) {
            // The error of the statement that made the database undo everything was the last thing
            // that the change did, if it returned it.
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one, at).await {
                Ok(Afterwards::RolledBackMidway) if is_of_database(&cause) => {
                    self.undo(held, one, at, cause).await
                }
                Ok(_) => self.left_behind(held, one, at, and_ended(&cause)).await,
                Err(_) => self.settle(held, one, at, cause).await,
            },
            Failure::Refused => lost(one, at),
            _ => {
                let unrecorded = Some(failed::<D>("could not write to the audit", error));
                self.all_undone(one, at, cause, unrecorded)
            }
        }
    }

    /// Rolls back what there is and records that nothing of any of them is left.
    pub(super) async fn undo(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        match self.roll_back(&mut held).await {
            Ok(()) => self.undone(held, one, at, cause).await,
            Err(_) => self.settle(held, one, at, cause).await,
        }
    }

    /// Nothing of the attempts is left, and the connection is in no transaction: records that.
    pub(super) async fn undone(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        self.give_back(held);
        let entries = self.undone_entries(one, at, &cause);
        match self.record(one, at, &entries).await {
            Ok(unrecorded) => self.all_undone(one, at, cause, unrecorded),
            Err(_) => lost(one, at),
        }
    }

    /// A change has ended the transaction, or the database has: what it did stays, and what the
    /// changes before it did was committed or undone with it, which the audit tells.
    pub(super) async fn left_behind(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        match self.roll_back(&mut held).await {
            Ok(()) => self.give_back(held),
            // A pool of one connection has no other to record on.
            Err(_) => drop(held),
        }
        let at = self.not_applied_from(one, at).await;
        let mut ended = self.settle_each(one, one.first..at, at, None).await;
        ended.push(self.record_left_behind(one, at, cause).await);
        Tried::Ended(ended)
    }

    /// The connection is gone, or hangs: finds out on another one what became of the transaction.
    pub(super) async fn settle(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        // A pool of one connection has no other.
        drop(held);
        self.settle_now(one, at, cause).await
    }

    /// The session of the transaction is over: reads what became of it.
    pub(super) async fn settle_now(&self, one: &Try<'_>, at: usize, cause: BoxError) -> Tried {
        let range = one.first..at + 1;
        Tried::Ended(self.settle_each(one, range, at, Some(cause)).await)
    }
}

/// What the function returned, and that it ended the transaction.
fn and_ended(cause: &BoxError) -> BoxError {
    format!("{}; and {ENDED}", chain(cause)).into()
}

/// Leaves the nested transactions that the function left open.
async fn unnest<D: Driver>(connection: &mut Conn<D>) -> Result<(), sqlx::Error> {
    use sqlx_core::transaction::TransactionManager;
    while depth::<D>(connection) > 1 {
        <D::Database as sqlx::Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Whether the error that the function returned is, or was caused by, the database's refusal of a
/// transaction for another's sake: it conflicts, or has waited too long for another's lock.
fn is_conflict<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| {
        let failure = D::classify(error);
        failure.is_conflict() || failure == Failure::LockTimeout
    })
}

/// Whether the function returned the refusal of a statement.
fn is_of_database(error: &BoxError) -> bool {
    database_errors(error).any(|error| matches!(error, sqlx::Error::Database(_)))
}

/// The errors of the driver in a chain of causes.
fn database_errors(error: &BoxError) -> impl Iterator<Item = &sqlx::Error> {
    let first: &(dyn std::error::Error + 'static) = &**error;
    std::iter::successors(Some(first), |error| {
        match error.downcast_ref::<Scrubbed>() {
            Some(scrubbed) => Some(scrubbed.inner()),
            None => error.source(),
        }
    })
    .filter_map(|error| error.downcast_ref())
}
