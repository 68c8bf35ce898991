//! The function failed, or the commit did: what is left, and what is recorded of it.

use flamingock_sqlx_audit::{Conn, Failure, Isolation, MarkerKind, Witness};

use super::{Afterwards, ENDED, SuccessEntry, Transact, Tried, Try, lost};
use crate::attempt::Purpose;
use crate::audit::{ErrorChain, NewEntry, State, StoreError, TransactionMode};
use crate::call::chain;
use crate::change::BoxError;
use crate::database::Transacted;
use crate::recording::{Insisting, Unwritten};
use crate::secrets::Scrubbed;
use crate::sql::driver::{Driver, depth, is_deeper, send};
use crate::sql::held::Held;
use crate::sql::marker::resolve;
use crate::sql::rows;
use crate::sql::settle::{Settled, settle};
use crate::sql::store::failed;

impl<D: Driver> Transact<'_, D> {
    /// The function returned an error: finds out what is left of the transaction and undoes it.
    pub(super) async fn fail(&self, mut held: Held<D>, one: &Try<'_>, cause: BoxError) -> Tried {
        let conflict = is_conflict::<D>(&cause) && !one.last;
        if is_deeper::<D>(&mut held, 1).await && unnest::<D>(&mut held).await.is_err() {
            return self.settle_elsewhere(held, Some(cause)).await;
        }
        let Ok(afterwards) = self.inspect(&mut held, one).await else {
            return self.settle_elsewhere(held, Some(cause)).await;
        };
        match afterwards {
            Afterwards::Whole | Afterwards::RolledBackMidway if conflict => {
                match self.refused(&mut held, one).await {
                    Ok(true) => Tried::Conflict(cause),
                    Ok(false) => lost(),
                    Err(_) => self.settle_elsewhere(held, Some(cause)).await,
                }
            }
            Afterwards::Whole if self.database.ledger.dialect().has_one_writer => {
                self.undo_savepoint(held, one, cause).await
            }
            Afterwards::Whole | Afterwards::RolledBackMidway => self.undo(held, cause).await,
            Afterwards::CommittedMidway => self.left_behind(held, cause).await,
            Afterwards::Ended => {
                let both = format!("{}; and {ENDED}", chain(&cause));
                self.left_behind(held, both.into()).await
            }
        }
    }

    /// What became of the transaction of a function that returned an error. A savepoint is left as
    /// it is where it is needed to undo.
    pub(super) async fn inspect(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
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
                self.without_savepoint(held, one).await
            }
            Err(error) => Err(error),
        }
    }

    /// The savepoint is gone: the witness tells whether the database has committed or rolled back.
    pub(super) async fn without_savepoint(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
    ) -> Result<Afterwards, sqlx::Error> {
        let ledger = &self.database.ledger;
        let (id, number) = (self.attempt.definition.id, i64::from(self.attempt.number));
        let whole = ledger.dialect().isolation == Isolation::Whole;
        let visible = match &one.witness {
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

    /// Undoes and, where the audit is here, records in one transaction, so that nobody writes in
    /// between.
    pub(super) async fn undo_savepoint(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        cause: BoxError,
    ) -> Tried {
        let ledger = &self.database.ledger;
        let (rows, lease): (Vec<_>, _) = match self.entry {
            SuccessEntry::Here(store) => (
                self.undone_entries(&cause)
                    .iter()
                    .map(rows::new_row)
                    .collect(),
                store.lease(),
            ),
            SuccessEntry::Elsewhere { .. } => (Vec::new(), None),
        };
        let recorded = !rows.is_empty();
        let undone = match ledger
            .undo_within(&mut held, &one.possession, lease, &rows, &one.tag)
            .await
        {
            Ok(()) => D::commit(&mut held, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match undone {
            Ok(()) if recorded => {
                self.give_back(held);
                return Tried::Ended(Transacted::Undone {
                    cause,
                    unrecorded: None,
                });
            }
            Ok(()) => return self.undone(held, cause).await,
            Err(error) => error,
        };
        match D::classify(&error) {
            // The error of the statement that made the database undo everything was the last thing
            // that the change did, if it returned it.
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one).await {
                Ok(Afterwards::RolledBackMidway) if is_of_database(&cause) => {
                    self.undo(held, cause).await
                }
                Ok(_) => {
                    let both = format!("{}; and {ENDED}", chain(&cause));
                    self.left_behind(held, both.into()).await
                }
                Err(_) => self.settle_elsewhere(held, Some(cause)).await,
            },
            Failure::Refused => lost(),
            _ => {
                let unrecorded = Some(failed::<D>("could not write to the audit", error));
                Tried::Ended(Transacted::Undone { cause, unrecorded })
            }
        }
    }

    /// Rolls back what there is and records that nothing of the attempt is left.
    pub(super) async fn undo(&self, mut held: Held<D>, cause: BoxError) -> Tried {
        match self.roll_back(&mut held).await {
            Ok(()) => self.undone(held, cause).await,
            Err(_) => self.settle_elsewhere(held, Some(cause)).await,
        }
    }

    /// Nothing of the attempt is left, and the connection is in no transaction: records that.
    pub(super) async fn undone(&self, held: Held<D>, cause: BoxError) -> Tried {
        self.give_back(held);
        match self.record(&self.undone_entries(&cause)).await {
            Recorded::Yes => Tried::Ended(Transacted::Undone {
                cause,
                unrecorded: None,
            }),
            Recorded::No(error) => Tried::Ended(Transacted::Undone {
                cause,
                unrecorded: Some(error),
            }),
            Recorded::Lost => lost(),
        }
    }

    /// Something of the attempt stays: rolls back what can be, and records that it failed as one
    /// without transaction.
    pub(super) async fn left_behind(&self, mut held: Held<D>, cause: BoxError) -> Tried {
        match self.roll_back(&mut held).await {
            Ok(()) => self.give_back(held),
            // A pool of one connection has no other to record on.
            Err(_) => drop(held),
        }
        self.record_left_behind(cause).await
    }

    pub(super) async fn record_left_behind(&self, cause: BoxError) -> Tried {
        let state = self.purpose.left_behind();
        let entry = self
            .attempt
            .entry(state, TransactionMode::None, Some(self.reason(&cause)));
        match self.record(&[entry]).await {
            Recorded::Yes => Tried::Ended(Transacted::LeftBehind {
                cause,
                unrecorded: None,
            }),
            Recorded::No(error) => Tried::Ended(Transacted::LeftBehind {
                cause,
                unrecorded: Some(error),
            }),
            Recorded::Lost => lost(),
        }
    }

    /// The connection is gone, or hangs: finds out on another one what became of the transaction.
    pub(super) async fn settle_elsewhere(&self, held: Held<D>, cause: Option<BoxError>) -> Tried {
        // A pool of one connection has no other.
        drop(held);
        let cause = cause.unwrap_or_else(|| "the connection was lost".into());
        self.settle_now(cause).await
    }

    /// The session of the transaction is over: reads what became of it.
    pub(super) async fn settle_now(&self, cause: BoxError) -> Tried {
        let settled = match self.entry {
            SuccessEntry::Here(_) => settle::<D>(self.database, self.attempt).await,
            SuccessEntry::Elsewhere { key, .. } => {
                resolve::<D>(self.database, self.attempt, key).await
            }
        };
        match settled {
            Settled::Visible(states) if self.purpose.has_succeeded(&states) => {
                Tried::Ended(Transacted::Done { mode: self.mode() })
            }
            Settled::Visible(states) if states.contains(&State::Started) => {
                self.record_left_behind(cause).await
            }
            Settled::Visible(_) => match self.record(&self.undone_entries(&cause)).await {
                Recorded::Yes => Tried::Ended(Transacted::Undone {
                    cause,
                    unrecorded: None,
                }),
                Recorded::No(error) => Tried::Ended(Transacted::Undone {
                    cause,
                    unrecorded: Some(error),
                }),
                Recorded::Lost => lost(),
            },
            Settled::Unreachable => Tried::Ended(Transacted::Unknown { cause }),
        }
    }

    pub(super) fn undone_entries(&self, cause: &BoxError) -> Vec<NewEntry> {
        let mut error = Some(self.reason(cause));
        if self.purpose == Purpose::Apply && self.attempt.before.is_some() {
            return self.attempt.nothing_left(&self.mode(), error);
        }
        let states = self.purpose.undone().iter();
        let entry = |state: &State| self.attempt.entry(state.clone(), self.mode(), error.take());
        states.map(entry).collect()
    }

    pub(super) fn reason(&self, cause: &BoxError) -> ErrorChain {
        self.attempt.reason(&chain(cause))
    }

    /// What stays must not go unrecorded because the database is away for a moment.
    pub(super) async fn record(&self, entries: &[NewEntry]) -> Recorded {
        let insisting = Insisting {
            store: self.store(),
            possession: self.attempt.possession,
            wait: self.database.ledger.patience(),
            signals: self.invocation.signals,
        };
        match insisting.append(entries).await {
            Ok(_) => Recorded::Yes,
            Err(Unwritten::Lost(_)) => Recorded::Lost,
            Err(Unwritten::Failed(error)) => Recorded::No(error),
        }
    }
}

pub(super) enum Recorded {
    Yes,
    No(StoreError),
    Lost,
}

/// Leaves the nested transactions that the function left open.
pub(super) async fn unnest<D: Driver>(connection: &mut Conn<D>) -> Result<(), sqlx::Error> {
    use sqlx_core::transaction::TransactionManager;
    while depth::<D>(connection) > 1 {
        <D::Database as sqlx::Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Whether the error that the function returned is, or was caused by, the database's refusal of a
/// transaction for another's sake: it conflicts, or has waited too long for another's lock.
pub(super) fn is_conflict<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| {
        let failure = D::classify(error);
        failure.is_conflict() || failure == Failure::LockTimeout
    })
}

/// Whether the function returned the refusal of a statement.
pub(super) fn is_of_database(error: &BoxError) -> bool {
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
