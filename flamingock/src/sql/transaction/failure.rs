//! A function failed, or the commit did: what is left of the transaction, and what becomes of it.

use flamingock_sqlx_audit::{Failure, Isolation, MarkerKind, Witness};

use super::batch::{Afterwards, SuccessEntry, Transact, Tried, Try, all_lost, lost};
use super::conflict::{Remarks, Whence, is_own_conflict, is_read_only, may_undo_all};
use super::roll_back::unnest;
use super::writer::Writer;
use crate::audit::entry::State;
use crate::sql::cancel::cancel_transaction;
use crate::sql::connection::Held;
use crate::sql::connection::comes_to_rest;
use crate::sql::driver::{Driver, is_deeper, send};
use crate::sql::error::failed;
use crate::sql::hint::hinted;
use crate::sql::rows;
use crate::target::invocation::Ended;
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

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
            cancel_transaction::<D>(self.database, &one.grant, attempt, &one.tag).await;
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
        let whence = match self.parts[at].body.script() {
            _ if interrupted => Whence::Stopped,
            Some(_) => Whence::Text,
            None => Whence::Function,
        };
        let cause = match whence {
            Whence::Function => hinted(cause),
            Whence::Text | Whence::Stopped => cause,
        };
        self.fail(held, one, at, whence, cause).await
    }

    /// A change has failed: finds out what is left of the transaction and undoes it.
    pub(super) async fn fail(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        whence: Whence,
        cause: BoxError,
    ) -> Tried {
        // Any other statement would make the database forget.
        let Ok(remarks) = Remarks::of::<D>(&mut held).await else {
            return self.settle(held, one, at, cause).await;
        };
        if is_deeper::<D>(&mut held, 1).await && unnest::<D>(&mut held).await.is_err() {
            return self.settle(held, one, at, cause).await;
        }
        let Ok(afterwards) = self.inspect(&mut held, one, at).await else {
            return self.settle(held, one, at, cause).await;
        };
        let is_open = !matches!(afterwards, Afterwards::CommittedMidway | Afterwards::Ended);
        if is_open && is_read_only::<D>(&cause) {
            match self.look_for_writer(&mut held, one).await {
                Writer::Elsewhere => return Tried::NoWriter(cause),
                Writer::Left => return self.partly_undone(held, one, at, &cause).await,
                Writer::Here => {}
            }
        }
        match afterwards {
            _ if is_own_conflict::<D>(whence, afterwards, &remarks, &cause) => {
                if remarks.tell_of_remains() {
                    return self.partly_undone(held, one, at, &cause).await;
                }
                self.conflict(held, one, at, cause).await
            }
            Afterwards::Whole if self.database.ledger.dialect().has_one_writer => {
                self.undo_savepoint(held, one, at, whence, cause).await
            }
            Afterwards::RolledBackMidway if remarks.tell_of_remains() => {
                self.partly_undone(held, one, at, &cause).await
            }
            Afterwards::RolledBackMidway if !may_undo_all::<D>(whence, &cause) => {
                self.left_behind(held, one, at, and_ended(&cause)).await
            }
            Afterwards::Whole | Afterwards::Aborted | Afterwards::RolledBackMidway => {
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
                Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
                Err(_) => self.inspect_aborted(held, one).await,
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

    /// An aborted transaction answers nothing until it is rolled back.
    pub(super) async fn inspect_aborted(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
    ) -> Result<Afterwards, sqlx::Error> {
        let Some(own_tag) = D::ABORTED_TAG else {
            return Ok(Afterwards::Aborted);
        };
        match send::<D>(held, own_tag.replace("%tag%", &one.tag)).await {
            Ok(mut answer) => {
                let tag = answer.rows.first_mut().map(|row| row.text(0));
                let ours = tag.as_deref() == Some(one.tag.as_str());
                Ok(if ours {
                    Afterwards::Aborted
                } else {
                    Afterwards::Ended
                })
            }
            Err(error) if D::classify(&error) == Failure::Disconnected => Err(error),
            // There is no transaction at all.
            Err(_) => Ok(Afterwards::Ended),
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
                    .lease_witness_is_there(held, &one.grant, &one.tag)
                    .await?
            }
            // The fence and the marker look at the transaction itself.
            Witness::Row(_) | Witness::Marker(_) if whole && !ledger.dialect().has_one_writer => {
                true
            }
            Witness::Row(_) => {
                let states = ledger.states(held, &one.grant, id, number).await?;
                states.iter().any(|state| state == State::Started.as_str())
            }
            Witness::Marker(marker) => {
                let found = ledger.marker(held, marker).await?;
                found.is_some_and(|found| found.kind == MarkerKind::Started)
            }
        };
        Ok(match (visible, whole) {
            (true, true) => Afterwards::Ended,
            (true, false) => Afterwards::CommittedMidway,
            (false, _) => Afterwards::RolledBackMidway,
        })
    }

    /// SQLite: undoes everything and, where the audit is here, records that in the same transaction, so
    /// that nobody writes in between.
    async fn undo_savepoint(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        whence: Whence,
        cause: BoxError,
    ) -> Tried {
        let ledger = &self.database.ledger;
        match D::without_rollback(&mut held).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                let both = format!("{}; and it cannot be undone: {reason}", chain(&cause));
                return self.left_behind(held, one, at, both.into()).await;
            }
            Err(_) => return self.settle(held, one, at, cause).await,
        }
        let (entries, lease) = match self.entry {
            SuccessEntry::Here(store) => (self.undone_entries(one, at, &cause), store.lease()),
            SuccessEntry::Elsewhere { .. } => (Vec::new(), None),
        };
        let rows: Vec<_> = entries.iter().map(rows::new_row).collect();
        let (connection, grant) = (&mut held, &one.grant);
        let undone = if self.parts.len() > 1 {
            ledger
                .undo_together(connection, grant, lease, &rows, &one.tag)
                .await
        } else {
            ledger
                .undo_within(connection, grant, lease, &rows, &one.tag)
                .await
        };
        let committed = match undone {
            Ok(()) => D::commit(&mut held, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match committed {
            Ok(()) if rows.is_empty() => return self.undone(held, one, at, cause).await,
            Ok(()) => {
                self.give_back(held).await;
                return self.all_undone(one, at, cause, None);
            }
            Err(error) => error,
        };
        match D::classify(&error) {
            // The error of the statement that made the database undo everything was the last thing
            // that the change did, if it returned it.
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one, at).await {
                Ok(Afterwards::RolledBackMidway)
                    if may_undo_all::<D>(whence, &cause)
                        && !is_in_another::<D>(&mut held).await =>
                {
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

    /// Nothing of the attempts is left, and the connection is in no transaction: records that.
    pub(super) async fn undone(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        self.give_back(held).await;
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
            Ok(_) => self.give_back(held).await,
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

/// Whether a transaction is open on a connection whose own one has ended.
async fn is_in_another<D: Driver>(held: &mut Held<D>) -> bool {
    let began = send::<D>(held, "BEGIN".to_owned()).await.is_ok();
    !(began && send::<D>(held, "ROLLBACK".to_owned()).await.is_ok())
}
