//! The last change returned, or one failed: the commit, or what is left and recorded.

use flamingock_sqlx_audit::Failure;

use super::super::failure::{Recorded, is_conflict, is_of_database, unnest};
use super::super::{Afterwards, ROLLED_BACK_MIDWAY, comes_to_rest};
use super::undone::{all_lost, all_undone};
use super::{Broke, ENDED, Round, Rounded, Together, is_deeper, lost_reason};
use crate::attempt::Purpose;
use crate::audit::{State, TransactionMode};
use crate::call::{Ended, chain};
use crate::change::BoxError;
use crate::database::Transacted;
use crate::sql::cancel::cancel_transaction;
use crate::sql::driver::{Driver, rollback};
use crate::sql::held::Held;
use crate::sql::rows;
use crate::sql::settle::{Settled, settle};
use crate::sql::store::failed;

const NOT_COMMITTED: &str = "the database refused to commit the changes of an atomic stage";

impl<D: Driver> Together<'_, D> {
    pub(super) async fn commit(&self, mut held: Held<D>, round: &Round<'_>) -> Rounded {
        let at = self.parts.len() - 1;
        let error = match D::commit(&mut held, self.database.ledger.patience()).await {
            Ok(()) => {
                self.give_back(held);
                let done = |_| Transacted::Done {
                    mode: TransactionMode::Shared,
                };
                return Rounded::Ended((round.first..=at).map(done).collect());
            }
            Err(error) => error,
        };
        let failure = D::classify(&error);
        // A deferred constraint tells the values that it refuses, whichever change they are of.
        let parts = self.parts.iter();
        let cause = parts.fold(error.into(), |cause, part| part.invocation.scrubbed(cause));
        match failure {
            Failure::Disconnected => self.settle(held, round, at, cause).await,
            failure if failure.is_conflict() && !round.last => {
                match rollback::<D>(&mut held).await {
                    Ok(()) => Rounded::Conflict(cause),
                    Err(_) => self.settle(held, round, at, cause).await,
                }
            }
            _ => {
                let cause = format!("{NOT_COMMITTED}: {}", chain(&cause));
                self.undo(held, round, at, cause.into()).await
            }
        }
    }

    pub(super) async fn broke(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        broke: Broke,
    ) -> Rounded {
        let (at, ended) = match broke {
            Broke::Change { at, ended } => (at, ended),
            Broke::Entry { at, error } => return self.not_entered(held, round, at, error).await,
        };
        let interrupted = ended.is_interrupted();
        if interrupted {
            let (attempt, tag) = (&round.attempts[at], &round.tag);
            cancel_transaction::<D>(self.database, &round.possession, attempt, tag).await;
        }
        if let Ended::Lost(reason) = ended {
            // The connection is closed with what it carries: nothing of it can be committed.
            return all_lost(round, at, &reason);
        }
        let cause = match ended.into_result() {
            Ok(()) => "the change ended as it should not".into(),
            Err(cause) => cause,
        };
        if interrupted && !comes_to_rest::<D>(&mut held).await {
            return self.settle(held, round, at, cause).await;
        }
        self.fail(held, round, at, cause).await
    }

    /// A change returned an error: finds out what is left of the transaction and undoes it.
    async fn fail(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Rounded {
        let conflict = is_conflict::<D>(&cause) && !round.last;
        if is_deeper::<D>(&mut held, 1).await && unnest::<D>(&mut held).await.is_err() {
            return self.settle(held, round, at, cause).await;
        }
        let (alone, one) = (self.alone(round, at), self.try_of(round, at));
        let Ok(afterwards) = alone.inspect(&mut held, &one).await else {
            return self.settle(held, round, at, cause).await;
        };
        match afterwards {
            Afterwards::Whole | Afterwards::RolledBackMidway if conflict => {
                self.conflict(held, round, at, cause).await
            }
            Afterwards::Whole if self.database.ledger.dialect().has_one_writer => {
                self.undo_to_savepoint(held, round, at, cause).await
            }
            Afterwards::Whole | Afterwards::RolledBackMidway => {
                self.undo(held, round, at, cause).await
            }
            Afterwards::CommittedMidway => self.ended(held, round, at, cause).await,
            Afterwards::Ended => {
                let both = format!("{}; and {ENDED}", chain(&cause));
                self.ended(held, round, at, both.into()).await
            }
        }
    }

    /// The database refused an entry of success.
    async fn not_entered(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        at: usize,
        error: sqlx::Error,
    ) -> Rounded {
        let (alone, one) = (self.alone(round, at), self.try_of(round, at));
        match D::classify(&error) {
            Failure::NoSavepoint => match alone.without_savepoint(&mut held, &one).await {
                Ok(Afterwards::CommittedMidway) => self.goes_on_midway(held, round, at).await,
                Ok(Afterwards::RolledBackMidway)
                    if !self.database.ledger.dialect().has_one_writer =>
                {
                    self.undo(held, round, at, ROLLED_BACK_MIDWAY.into()).await
                }
                Ok(Afterwards::Whole | Afterwards::Ended | Afterwards::RolledBackMidway) => {
                    self.ended(held, round, at, ENDED.into()).await
                }
                Err(_) => self.settle(held, round, at, error.into()).await,
            },
            Failure::Refused => match alone.refused(&mut held, &one).await {
                // The possession is ours, so it is the transaction that is not: it was ended.
                Ok(true) => self.ended(held, round, at, ENDED.into()).await,
                Ok(false) => self.lost(round, at),
                Err(_) => self.settle(held, round, at, error.into()).await,
            },
            Failure::Serialization | Failure::Deadlock if !round.last => {
                self.conflict(held, round, at, error.into()).await
            }
            Failure::Disconnected => self.settle(held, round, at, error.into()).await,
            _ => {
                let cause = failed::<D>("could not write to the audit", error);
                self.undo(held, round, at, cause.into()).await
            }
        }
    }

    async fn conflict(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Rounded {
        let (alone, one) = (self.alone(round, at), self.try_of(round, at));
        match alone.refused(&mut held, &one).await {
            Ok(true) => Rounded::Conflict(cause),
            Ok(false) => self.lost(round, at),
            Err(_) => self.settle(held, round, at, cause).await,
        }
    }

    /// The database has committed in the middle of a change that went on to its end: the rest of it
    /// is committed with its entry.
    async fn goes_on_midway(&self, mut held: Held<D>, round: &Round<'_>, at: usize) -> Rounded {
        let ledger = &self.database.ledger;
        let entry = round.attempts[at].entry(State::Applied, TransactionMode::None, None);
        let witness = self.witness(round, at);
        let row = rows::new_row(&entry);
        let appended = ledger
            .append_midway(&mut held, &round.possession, &row, &witness, &round.tag)
            .await;
        let committed = match appended {
            Ok(()) => D::commit(&mut held, ledger.patience()).await,
            Err(error) => Err(error),
        };
        match committed {
            Ok(()) => {
                self.give_back(held);
                Rounded::CommittedMidway(at)
            }
            Err(error) => match D::classify(&error) {
                Failure::Refused => self.lost(round, at),
                Failure::Disconnected => self.settle(held, round, at, error.into()).await,
                _ => {
                    let cause = failed::<D>("could not write to the audit", error);
                    self.ended(held, round, at, cause.into()).await
                }
            },
        }
    }

    /// SQLite: undoes everything and records that in the same transaction, so that nobody writes in
    /// between.
    async fn undo_to_savepoint(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Rounded {
        let ledger = &self.database.ledger;
        let rows: Vec<_> = self
            .undone_entries(round, at, &cause)
            .iter()
            .map(rows::new_row)
            .collect();
        let lease = self.store.lease();
        let undone = match ledger
            .undo_together(&mut held, &round.possession, lease, &rows, &round.tag)
            .await
        {
            Ok(()) => D::commit(&mut held, ledger.patience()).await,
            Err(error) => Err(error),
        };
        let error = match undone {
            Ok(()) => {
                self.give_back(held);
                return all_undone(round, at, cause, None);
            }
            Err(error) => error,
        };
        let (alone, one) = (self.alone(round, at), self.try_of(round, at));
        match D::classify(&error) {
            Failure::NoSavepoint => match alone.without_savepoint(&mut held, &one).await {
                Ok(Afterwards::RolledBackMidway) if is_of_database(&cause) => {
                    self.undo(held, round, at, cause).await
                }
                Ok(_) => {
                    let both = format!("{}; and {ENDED}", chain(&cause));
                    self.ended(held, round, at, both.into()).await
                }
                Err(_) => self.settle(held, round, at, cause).await,
            },
            Failure::Refused => self.lost(round, at),
            _ => {
                let unrecorded = Some(failed::<D>("could not write to the audit", error));
                all_undone(round, at, cause, unrecorded)
            }
        }
    }

    /// Rolls back what there is and records that nothing of any of them is left.
    async fn undo(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Rounded {
        if rollback::<D>(&mut held).await.is_err() {
            return self.settle(held, round, at, cause).await;
        }
        self.give_back(held);
        let entries = self.undone_entries(round, at, &cause);
        match self.alone(round, at).record(&entries).await {
            Recorded::Yes => all_undone(round, at, cause, None),
            Recorded::No(error) => all_undone(round, at, cause, Some(error)),
            Recorded::Lost => self.lost(round, at),
        }
    }

    /// A change has ended the transaction, or the database has: what it did stays, and what the
    /// changes before it did was committed or undone with it, which the audit tells.
    async fn ended(
        &self,
        mut held: Held<D>,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Rounded {
        match rollback::<D>(&mut held).await {
            Ok(()) => self.give_back(held),
            // A pool of one connection has no other to record on.
            Err(_) => drop(held),
        }
        let at = self.not_applied_from(round, at).await;
        let mut ended = self.settle_each(round, round.first..at, at, &cause).await;
        ended.push(self.left_behind(round, at, cause).await);
        Rounded::Ended(ended)
    }

    /// The first change from this one on that is not on record as applied. Of a text whose end nobody
    /// waited for, it is not known at which file it was stopped.
    async fn not_applied_from(&self, round: &Round<'_>, at: usize) -> usize {
        let last = self.parts.len() - 1;
        for index in at..last {
            match settle::<D>(self.database, &round.attempts[index]).await {
                Settled::Visible(states) if Purpose::Apply.has_succeeded(&states) => {}
                Settled::Visible(_) | Settled::Unreachable => return index,
            }
        }
        last
    }

    /// The connection is gone, or hangs: finds out on another one what became of the transaction.
    async fn settle(
        &self,
        held: Held<D>,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Rounded {
        drop(held);
        let range = round.first..at + 1;
        Rounded::Ended(self.settle_each(round, range, at, &cause).await)
    }

    /// The connection is kept for the next change, unless a file has set something on it.
    fn give_back(&self, held: Held<D>) {
        let mut scripts = self.parts.iter().filter_map(|part| part.body.script());
        if scripts.any(|script| script.sets_session(D::KIND)) {
            self.database.kept.close(held);
        } else {
            self.database.kept.keep(held);
        }
    }

    pub(super) fn lost(&self, round: &Round<'_>, at: usize) -> Rounded {
        all_lost(round, at, &lost_reason())
    }
}
