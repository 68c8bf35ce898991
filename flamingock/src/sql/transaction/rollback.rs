//! Ending a transaction, and determining whether the rollback was complete.

use flamingock_sqlx_audit::Conn;

use super::batch::{BatchRunner, TryContext, TryOutcome, lock_lost};
use super::conflict::Warnings;
use crate::sql::connection::GuardedConnection;
use crate::sql::driver::{Driver, depth, rollback, send};
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

impl<D: Driver> BatchRunner<'_, D> {
    /// Reports whether the transaction was opened inside a message, so that the driver does not
    /// know of it.
    fn is_unknown_to_the_driver(&self) -> bool {
        self.single_message_script().is_some()
    }

    /// Rolls the open transaction back.
    pub(super) async fn roll_back(
        &self,
        connection: &mut GuardedConnection<D>,
    ) -> Result<RollbackExtent, sqlx::Error> {
        if self.is_unknown_to_the_driver() {
            send::<D>(connection, "ROLLBACK".to_owned()).await?;
        } else {
            rollback::<D>(connection).await?;
        }
        let warnings = Warnings::of::<D>(connection).await?;
        Ok(if warnings.show_remains_after_rollback() {
            RollbackExtent::Partial
        } else {
            RollbackExtent::Complete
        })
    }

    /// Commits the open transaction.
    pub(super) async fn commit_open(
        &self,
        connection: &mut GuardedConnection<D>,
    ) -> Result<(), sqlx::Error> {
        if self.is_unknown_to_the_driver() {
            return send::<D>(connection, "COMMIT".to_owned()).await.map(drop);
        }
        D::commit(connection, self.database.ledger.patience()).await
    }

    /// Reports whether this run still owns the lock. The connection is in no transaction.
    pub(super) async fn holds_lock(
        &self,
        connection: &mut GuardedConnection<D>,
        context: &TryContext<'_>,
    ) -> Result<bool, sqlx::Error> {
        match self.placement {
            AuditPlacement::SameDatabase => {
                self.database.ledger.holds(connection, &context.grant).await
            }
            // The audit is in another database: its next entry shows that.
            AuditPlacement::OtherDatabase { .. } => Ok(true),
        }
    }

    /// The transaction lost a conflict: it is tried again, unless this was the last try.
    pub(super) async fn lost_to_conflict(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TryOutcome {
        match self.roll_back(&mut connection).await {
            Ok(RollbackExtent::Complete) => {}
            Ok(RollbackExtent::Partial) => {
                return self
                    .partly_rolled_back(connection, context, at, &cause)
                    .await;
            }
            Err(_) => return self.resolve_in_doubt(connection, context, at, cause).await,
        }
        match self.holds_lock(&mut connection, context).await {
            Ok(true) if context.is_last => {
                let cause = context.blocker.add_to(cause);
                self.record_rollback(connection, context, at, cause).await
            }
            Ok(true) => TryOutcome::Conflict(cause),
            Ok(false) => lock_lost(context, at),
            Err(_) => self.resolve_in_doubt(connection, context, at, cause).await,
        }
    }

    /// Rolls back and records that nothing of the changes is left.
    pub(super) async fn roll_back_and_record(
        &self,
        mut connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        cause: BoxError,
    ) -> TryOutcome {
        match self.roll_back(&mut connection).await {
            Ok(RollbackExtent::Complete) => {
                self.record_rollback(connection, context, at, cause).await
            }
            Ok(RollbackExtent::Partial) => {
                self.partly_rolled_back(connection, context, at, &cause)
                    .await
            }
            Err(_) => self.resolve_in_doubt(connection, context, at, cause).await,
        }
    }

    /// The rollback was incomplete.
    pub(super) async fn partly_rolled_back(
        &self,
        connection: GuardedConnection<D>,
        context: &TryContext<'_>,
        at: usize,
        cause: &BoxError,
    ) -> TryOutcome {
        let both = format!("{}; and {PARTIAL}", chain(cause));
        self.end_left_behind(connection, context, at, both.into())
            .await
    }
}

/// Leaves the nested transactions that the function left open.
pub(super) async fn unnest<D: Driver>(connection: &mut Conn<D>) -> Result<(), sqlx::Error> {
    use sqlx_core::transaction::TransactionManager;
    while depth::<D>(connection) > 1 {
        <D::Database as sqlx::Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}
