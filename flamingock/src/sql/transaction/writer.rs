//! A server that became read-only: after a fail-over, or because a connection led to a standby.

use super::rollback::RollbackExtent;
use super::tries::{OpenTransaction, TransactionRunner};
use crate::sql::driver::Driver;
use crate::sql::server;

/// Where a transaction can be tried again after a read-only server rejected a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// On another server: the connection must be closed, and the change tried again.
    Elsewhere,
    /// On another server, but a part of the change stays on this one.
    RemainsHere,
    /// On this server: the change made its own transaction read-only. Or the wait for a primary is
    /// over.
    Here,
}

impl<D: Driver> TransactionRunner<'_, D> {
    /// Rolls the transaction back, and queries whether the server accepts writes.
    pub(super) async fn look_for_writer(&self, open: &mut OpenTransaction<'_, D>) -> Writer {
        if !open.context.waits_for_writer {
            return Writer::Here;
        }
        match self.roll_back(open).await {
            Ok(RollbackExtent::Partial) => return Writer::RemainsHere,
            Ok(RollbackExtent::Complete) => {}
            Err(_) => return Writer::Here,
        }
        let info = server::query::<D>(&mut open.connection, D::address(&self.database.pool)).await;
        match info.is_ok_and(|info| server::is_read_only_server(&info)) {
            true => Writer::Elsewhere,
            false => Writer::Here,
        }
    }
}
