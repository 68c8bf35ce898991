//! Ending a transaction, whoever has begun it: and whether that undoes everything.

use flamingock_sqlx_audit::Conn;

use super::batch::{SuccessEntry, Transact, Tried, Try, lost};
use super::conflict::Remarks;
use crate::sql::connection::Held;
use crate::sql::driver::{Driver, depth, rollback, send};
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

/// What ROLLBACK came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RolledBack {
    Everything,
    /// Something stays that the database cannot undo.
    NotAll,
}

const NOT_ALL: &str = "the database could not undo all of it: what was written to tables whose ENGINE has no transactions (MyISAM, Aria, MEMORY) stays";

impl<D: Driver> Transact<'_, D> {
    /// Whether the transaction was opened in a text of ours, so that the driver does not know of it.
    fn is_unknown_to_the_driver(&self) -> bool {
        self.one_text().is_some()
    }

    /// Rolls back what is open.
    pub(super) async fn roll_back(&self, held: &mut Held<D>) -> Result<RolledBack, sqlx::Error> {
        if self.is_unknown_to_the_driver() {
            send::<D>(held, "ROLLBACK".to_owned()).await?;
        } else {
            rollback::<D>(held).await?;
        }
        let remarks = Remarks::of::<D>(held).await?;
        Ok(if remarks.tell_of_remains_of_rollback() {
            RolledBack::NotAll
        } else {
            RolledBack::Everything
        })
    }

    /// Commits what is open.
    pub(super) async fn commit_open(&self, held: &mut Held<D>) -> Result<(), sqlx::Error> {
        if self.is_unknown_to_the_driver() {
            return send::<D>(held, "COMMIT".to_owned()).await.map(drop);
        }
        D::commit(held, self.database.ledger.patience()).await
    }

    /// Whether the lock is still ours, on a connection that is in no transaction.
    pub(super) async fn holds(
        &self,
        held: &mut Held<D>,
        one: &Try<'_>,
    ) -> Result<bool, sqlx::Error> {
        match self.entry {
            SuccessEntry::Here(_) => self.database.ledger.holds(held, &one.grant).await,
            // The audit is elsewhere: its next entry tells.
            SuccessEntry::Elsewhere { .. } => Ok(true),
        }
    }

    /// The transaction lost against another one: it is tried again, unless that was the last try.
    pub(super) async fn conflict(
        &self,
        mut held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: BoxError,
    ) -> Tried {
        match self.roll_back(&mut held).await {
            Ok(RolledBack::Everything) => {}
            Ok(RolledBack::NotAll) => return self.partly_undone(held, one, at, &cause).await,
            Err(_) => return self.settle(held, one, at, cause).await,
        }
        match self.holds(&mut held, one).await {
            Ok(true) if one.last => {
                let cause = one.blocker.name_in(cause);
                self.undone(held, one, at, cause).await
            }
            Ok(true) => Tried::Conflict(cause),
            Ok(false) => lost(one, at),
            Err(_) => self.settle(held, one, at, cause).await,
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
            Ok(RolledBack::Everything) => self.undone(held, one, at, cause).await,
            Ok(RolledBack::NotAll) => self.partly_undone(held, one, at, &cause).await,
            Err(_) => self.settle(held, one, at, cause).await,
        }
    }

    /// Something stays of what the database has rolled back.
    pub(super) async fn partly_undone(
        &self,
        held: Held<D>,
        one: &Try<'_>,
        at: usize,
        cause: &BoxError,
    ) -> Tried {
        let both = format!("{}; and {NOT_ALL}", chain(cause));
        self.left_behind(held, one, at, both.into()).await
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
