//! The functions returned: the last entry, and the commit.

use flamingock_sqlx_audit::Failure;

use super::batch::{Afterwards, SuccessEntry, Transact, Tried, Try, lost, not_run};
use super::call::Broke;
use super::failure::ENDED;
use super::writer::Writer;
use crate::audit::entry::TransactionMode;
use crate::sql::connection::Held;
use crate::sql::driver::Driver;
use crate::sql::error::failed;
use crate::sql::marker::in_the_way;
use crate::sql::rows;
use crate::target::database::Transacted;
use crate::util::error_chain::chain;

const ROLLED_BACK_MIDWAY: &str = "the database rolled the transaction back before the change ended, and the change went on: it must return the error of a deadlock or of a lock that was not obtained";
const NOT_COMMITTED: &str = "the database refused to commit the changes of an atomic stage";
const NOT_WRITTEN: &str = "could not write to the audit";

impl<D: Driver> Transact<'_, D> {
    /// The only change has run to its end: appends its entry and commits.
    pub(super) async fn succeed(&self, mut held: Held<D>, one: &Try<'_>) -> Tried {
        match self.enter(&mut held, one, 0..1, None).await {
            Err(Broke::Entry { at, error }) => self.not_entered(held, one, at, error).await,
            Err(Broke::Change { at, ended }) => self.broke(held, one, at, ended).await,
            Ok(()) => self.commit(held, one, 0, self.mode()).await,
        }
    }

    /// The database refused the entry of success.
    pub(super) async fn not_entered(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        error: sqlx::Error,
    ) -> Tried {
        match D::classify(&error) {
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one, at).await {
                Ok(Afterwards::CommittedMidway) => self.succeed_midway(held, one, at).await,
                // Where statements then commit one by one, what came later stays.
                Ok(Afterwards::RolledBackMidway)
                    if !self.database.ledger.dialect().has_one_writer =>
                {
                    self.undo(held, one, at, ROLLED_BACK_MIDWAY.into()).await
                }
                Ok(
                    Afterwards::Whole
                    | Afterwards::Aborted
                    | Afterwards::Ended
                    | Afterwards::RolledBackMidway,
                ) => self.left_behind(held, one, at, ENDED.into()).await,
                Err(_) => self.settle(held, one, at, error.into()).await,
            },
            Failure::Refused => match self.roll_back(&mut held).await {
                Ok(_) => match self.holds(&mut held, one).await {
                    // The lock is ours, so it is the transaction that is not: it was ended.
                    Ok(true) => self.left_behind(held, one, at, ENDED.into()).await,
                    Ok(false) => lost(one, at),
                    Err(_) => self.settle(held, one, at, error.into()).await,
                },
                Err(_) => self.settle(held, one, at, error.into()).await,
            },
            failure @ Failure::Duplicate if self.is_key_taken(failure) => {
                drop(held);
                self.key_is_taken(one, at, error).await
            }
            Failure::Disconnected => self.settle(held, one, at, error.into()).await,
            Failure::ReadOnly => match self.look_for_writer(&mut held, one).await {
                Writer::Elsewhere => Tried::NoWriter(error.into()),
                Writer::Left => self.partly_undone(held, one, at, &error.into()).await,
                Writer::Here => {
                    let cause = failed::<D>(NOT_WRITTEN, error);
                    self.undo(held, one, at, cause.into()).await
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
                // The change may have gone on in a transaction of its own, or ignored an error.
                match self.inspect_aborted(&mut held, one).await {
                    Ok(Afterwards::Ended) => {
                        return self.left_behind(held, one, at, ENDED.into()).await;
                    }
                    Ok(_) => {}
                    Err(_) => return self.settle(held, one, at, error.into()).await,
                }
                if failure.is_conflict() || failure == Failure::LockTimeout {
                    return self.conflict(held, one, at, error.into()).await;
                }
                let cause = failed::<D>(NOT_WRITTEN, error);
                self.undo(held, one, at, cause.into()).await
            }
        }
    }

    /// Whether a failure says that there is a marker with the key of this attempt.
    pub(super) fn is_key_taken(&self, failure: Failure) -> bool {
        failure == Failure::Duplicate && matches!(self.entry, SuccessEntry::Elsewhere { .. })
    }

    /// There is a marker with the key of this attempt: a tombstone of whoever has taken over, or the marker
    /// of somebody else.
    pub(super) async fn key_is_taken(&self, one: &Try<'_>, at: usize, error: sqlx::Error) -> Tried {
        match in_the_way(self.database, &one.marker).await {
            Ok(Some(foreign)) => not_run(foreign.into()),
            Ok(None) => lost(one, at),
            Err(_) => Tried::Ended(vec![Transacted::Unknown {
                cause: error.into(),
            }]),
        }
    }

    /// The database has committed in the middle of a change that went on to its end: the rest of it
    /// is committed with its entry.
    async fn succeed_midway(&self, mut held: Held<D>, one: &Try<'_>, at: usize) -> Tried {
        let ledger = &self.database.ledger;
        let appended = match self.entry {
            SuccessEntry::Here(_) => {
                let success = self.purpose.success();
                let entry = one.attempts[at].entry(success, TransactionMode::None, None);
                let (row, witness) = (rows::new_row(&entry), self.witness(one, at));
                ledger
                    .append_midway(&mut held, &one.grant, &row, &witness, &one.tag)
                    .await
            }
            SuccessEntry::Elsewhere { .. } => {
                ledger.mark_midway(&mut held, &one.marker, &one.tag).await
            }
        };
        let Err(error) = appended else {
            return self.commit(held, one, at, TransactionMode::None).await;
        };
        match D::classify(&error) {
            Failure::Refused => lost(one, at),
            Failure::Disconnected => self.settle(held, one, at, error.into()).await,
            _ => {
                let cause = failed::<D>(NOT_WRITTEN, error);
                self.left_behind(held, one, at, cause.into()).await
            }
        }
    }

    /// Commits what is done up to this change. The mode is `none` where a part of it is committed
    /// already.
    pub(super) async fn commit(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        mode: TransactionMode,
    ) -> Tried {
        match self.commit_open(&mut held).await {
            Ok(()) => self.committed(held, one, at, &mode).await,
            Err(error) => self.not_committed(held, one, at, mode, error).await,
        }
    }

    pub(super) async fn committed(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        at: usize,
        mode: &TransactionMode,
    ) -> Tried {
        self.give_back(held).await;
        if *mode == TransactionMode::None {
            return Tried::CommittedMidway(at);
        }
        let done = |_| Transacted::Done { mode: mode.clone() };
        Tried::Ended((one.first..=at).map(done).collect())
    }

    /// The database refused the commit, or its answer was lost.
    pub(super) async fn not_committed(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        mode: TransactionMode,
        error: sqlx::Error,
    ) -> Tried {
        let failure = D::classify(&error);
        // A deferred constraint tells the values that it refuses, whichever change they are of.
        let parts = self.parts.iter();
        let cause = parts.fold(error.into(), |cause, part| part.invocation.scrubbed(cause));
        match failure {
            Failure::Disconnected => self.settle(held, one, at, cause).await,
            _ if mode == TransactionMode::None => self.left_behind(held, one, at, cause).await,
            // The server has rolled it back.
            Failure::ReadOnly => match self.look_for_writer(&mut held, one).await {
                Writer::Elsewhere => Tried::NoWriter(cause),
                Writer::Left => self.partly_undone(held, one, at, &cause).await,
                Writer::Here => self.undo(held, one, at, cause).await,
            },
            failure if failure.is_conflict() || failure == Failure::LockTimeout => {
                self.conflict(held, one, at, cause).await
            }
            _ if self.parts.len() > 1 => {
                let cause = format!("{NOT_COMMITTED}: {}", chain(&cause));
                self.undo(held, one, at, cause.into()).await
            }
            _ => self.undo(held, one, at, cause).await,
        }
    }
}
