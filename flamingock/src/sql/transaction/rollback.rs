//! Ending a transaction, and determining whether the rollback was complete.

use super::conflict::Warnings;
use super::tries::{OpenTransaction, TransactionRunner, TryOutcome, lock_lost};
use crate::sql::driver::{Driver, rollback_to_depth, send};
use crate::target::database::AuditPlacement;
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

/// The extent of a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RollbackExtent {
    Complete,
    /// Something stays that the database cannot roll back.
    Partial,
}

const PARTIAL: &str = "the database could not undo all of it: what was written to tables whose ENGINE has no transactions (MyISAM, Aria, MEMORY) stays";

impl<D: Driver> TransactionRunner<'_, D> {
    /// Reports whether the transaction was opened inside a message, so that the driver does not
    /// know of it.
    fn is_unknown_to_the_driver(&self) -> bool {
        self.single_message_script().is_some()
    }

    /// Rolls the open transaction back.
    pub(super) async fn roll_back(
        &self,
        open: &mut OpenTransaction<'_, D>,
    ) -> Result<RollbackExtent, sqlx::Error> {
        if self.is_unknown_to_the_driver() {
            send::<D>(&mut open.connection, "ROLLBACK".to_owned()).await?;
        } else {
            rollback_to_depth::<D>(&mut open.connection, 0).await?;
        }
        let warnings = Warnings::of::<D>(&mut open.connection).await?;
        Ok(if warnings.show_remains_after_rollback() {
            RollbackExtent::Partial
        } else {
            RollbackExtent::Complete
        })
    }

    /// Commits the open transaction.
    pub(super) async fn commit_open(
        &self,
        open: &mut OpenTransaction<'_, D>,
    ) -> Result<(), sqlx::Error> {
        if self.is_unknown_to_the_driver() {
            return send::<D>(&mut open.connection, "COMMIT".to_owned())
                .await
                .map(drop);
        }
        D::commit(&mut open.connection, self.database.ledger.patience()).await
    }

    /// Reports whether this run still owns the lock. The connection is in no transaction.
    pub(super) async fn holds_lock(
        &self,
        open: &mut OpenTransaction<'_, D>,
    ) -> Result<bool, sqlx::Error> {
        match self.placement {
            AuditPlacement::SameDatabase
            | AuditPlacement::Progress {
                holds_audit: true, ..
            } => {
                self.database
                    .ledger
                    .holds(&mut open.connection, &open.context.grant)
                    .await
            }
            // The audit is in another database: its next entry shows that.
            AuditPlacement::OtherDatabase { .. } | AuditPlacement::Progress { .. } => Ok(true),
        }
    }

    /// The transaction lost a conflict: it is tried again, unless this was the last try.
    pub(super) async fn end_conflict(
        &self,
        mut open: OpenTransaction<'_, D>,
        cause: BoxError,
    ) -> TryOutcome {
        match self.roll_back(&mut open).await {
            Ok(RollbackExtent::Complete) => {}
            Ok(RollbackExtent::Partial) => {
                return self.end_partly_rolled_back(open, &cause).await;
            }
            Err(_) => return self.resolve_in_doubt(open, cause).await,
        }
        match self.holds_lock(&mut open).await {
            Ok(true) if open.context.is_last => {
                let cause = open.context.blocker.add_to(cause);
                self.record_rollback(open, cause).await
            }
            Ok(true) => TryOutcome::Conflict(cause),
            Ok(false) => lock_lost(open.context, open.at),
            Err(_) => self.resolve_in_doubt(open, cause).await,
        }
    }

    /// Rolls back and records that nothing of the changes is left.
    pub(super) async fn roll_back_and_record(
        &self,
        mut open: OpenTransaction<'_, D>,
        cause: BoxError,
    ) -> TryOutcome {
        match self.roll_back(&mut open).await {
            Ok(RollbackExtent::Complete) => self.record_rollback(open, cause).await,
            Ok(RollbackExtent::Partial) => self.end_partly_rolled_back(open, &cause).await,
            Err(_) => self.resolve_in_doubt(open, cause).await,
        }
    }

    /// The rollback was incomplete.
    pub(super) async fn end_partly_rolled_back(
        &self,
        open: OpenTransaction<'_, D>,
        cause: &BoxError,
    ) -> TryOutcome {
        let both = format!("{}; and {PARTIAL}", chain(cause));
        self.end_left_behind(open, both.into()).await
    }
}
