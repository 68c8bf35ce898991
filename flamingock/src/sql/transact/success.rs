//! The function returned: its entry, and the commit.

use flamingock_sqlx_audit::Failure;

use super::{Afterwards, ENDED, ROLLED_BACK_MIDWAY, SuccessEntry, Transact, Tried, Try, lost};
use crate::audit::TransactionMode;
use crate::database::Transacted;
use crate::sql::driver::Driver;
use crate::sql::held::Held;
use crate::sql::rows;
use crate::sql::store::failed;

impl<D: Driver> Transact<'_, D> {
    /// Appends the entry of success and commits.
    pub(super) async fn succeed(&self, mut held: Held<D>, one: &Try<'_>) -> Tried {
        match self.enter_success(&mut held, one).await {
            Ok(()) => self.commit(held, one, self.mode()).await,
            Err(error) => self.not_entered(held, one, error).await,
        }
    }

    /// The database refused the entry of success.
    pub(super) async fn not_entered(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        error: sqlx::Error,
    ) -> Tried {
        match D::classify(&error) {
            Failure::NoSavepoint => match self.without_savepoint(&mut held, one).await {
                Ok(Afterwards::CommittedMidway) => self.succeed_midway(held, one).await,
                // Where statements then commit one by one, what came later stays.
                Ok(Afterwards::RolledBackMidway)
                    if !self.database.ledger.dialect().has_one_writer =>
                {
                    self.undo(held, ROLLED_BACK_MIDWAY.into()).await
                }
                Ok(Afterwards::Whole | Afterwards::Ended | Afterwards::RolledBackMidway) => {
                    self.left_behind(held, ENDED.into()).await
                }
                Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
            },
            Failure::Refused => match self.refused(&mut held, one).await {
                // The possession is ours, so it is the transaction that is not: it was ended.
                Ok(true) => self.left_behind(held, ENDED.into()).await,
                Ok(false) => lost(),
                Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
            },
            Failure::Serialization | Failure::Deadlock => {
                match self.refused(&mut held, one).await {
                    Ok(true) if !one.last => Tried::Conflict(error.into()),
                    Ok(true) => self.undone(held, error.into()).await,
                    Ok(false) => lost(),
                    Err(_) => self.settle_elsewhere(held, Some(error.into())).await,
                }
            }
            // Only a tombstone has the key of this attempt.
            Failure::Duplicate => lost(),
            Failure::Disconnected => self.settle_elsewhere(held, Some(error.into())).await,
            _ => {
                let cause = failed::<D>("could not write to the audit", error);
                self.undo(held, cause.into()).await
            }
        }
    }

    async fn enter_success(&self, held: &mut Held<D>, one: &Try<'_>) -> Result<(), sqlx::Error> {
        let ledger = &self.database.ledger;
        match self.entry {
            SuccessEntry::Here(store) => {
                let entry = self
                    .attempt
                    .entry(self.purpose.success(), self.mode(), None);
                let (row, lease) = (rows::new_row(&entry), store.lease());
                ledger
                    .append_within(held, &one.possession, lease, &row, &one.witness, &one.tag)
                    .await
            }
            SuccessEntry::Elsewhere { .. } => ledger.mark_within(held, one.marker, &one.tag).await,
        }
    }

    /// The database has committed what the change did so far; the rest is committed with its entry.
    pub(super) async fn succeed_midway(&self, mut held: Held<D>, one: &Try<'_>) -> Tried {
        let ledger = &self.database.ledger;
        let appended = match self.entry {
            SuccessEntry::Here(_) => {
                let success = self.purpose.success();
                let row = rows::new_row(&self.attempt.entry(success, TransactionMode::None, None));
                ledger
                    .append_midway(&mut held, &one.possession, &row, &one.witness, &one.tag)
                    .await
            }
            SuccessEntry::Elsewhere { .. } => {
                ledger.mark_midway(&mut held, one.marker, &one.tag).await
            }
        };
        match appended {
            Ok(()) => self.commit(held, one, TransactionMode::None).await,
            Err(error) => match D::classify(&error) {
                Failure::Refused => lost(),
                Failure::Disconnected => self.settle_elsewhere(held, Some(error.into())).await,
                _ => {
                    let cause = failed::<D>("could not write to the audit", error);
                    self.left_behind(held, cause.into()).await
                }
            },
        }
    }

    pub(super) async fn commit(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        mode: TransactionMode,
    ) -> Tried {
        match self.commit_open(&mut held).await {
            Ok(()) => {
                self.give_back(held);
                Tried::Ended(Transacted::Done { mode })
            }
            Err(error) => self.not_committed(held, one, mode, error).await,
        }
    }

    /// The database refused the commit, or its answer was lost.
    pub(super) async fn not_committed(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        mode: TransactionMode,
        error: sqlx::Error,
    ) -> Tried {
        let failure = D::classify(&error);
        // A deferred constraint tells the values that it refuses.
        let cause = self.invocation.scrubbed(error.into());
        match failure {
            Failure::Disconnected => self.settle_elsewhere(held, Some(cause)).await,
            _ if mode == TransactionMode::None => self.left_behind(held, cause).await,
            failure if failure.is_conflict() && !one.last => {
                match self.roll_back(&mut held).await {
                    Ok(()) => Tried::Conflict(cause),
                    Err(_) => self.settle_elsewhere(held, Some(cause)).await,
                }
            }
            _ => self.undo(held, cause).await,
        }
    }
}
