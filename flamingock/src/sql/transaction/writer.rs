//! A server that takes no writes any more: the writer has moved, or a connection led to a standby.

use super::batch::{Transact, Try};
use super::roll_back::RolledBack;
use crate::sql::connection::Held;
use crate::sql::driver::Driver;
use crate::sql::server;

/// Where a transaction can be committed whose statement was refused by a server without writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Where the address leads next: the connection must be closed, and the change tried again.
    Elsewhere,
    /// The same, but a part of the change stays on this server.
    Left,
    /// Here: the change has made its own transaction read-only. Or it is not waited for any more.
    Here,
}

impl<D: Driver> Transact<'_, D> {
    /// Rolls the transaction back, and asks the server whether it is the writer.
    pub(super) async fn look_for_writer(&self, held: &mut Held<D>, one: &Try<'_>) -> Writer {
        if !one.waits {
            return Writer::Here;
        }
        match self.roll_back(held).await {
            Ok(RolledBack::NotAll) => return Writer::Left,
            Ok(RolledBack::Everything) => {}
            Err(_) => return Writer::Here,
        }
        let facts = server::ask::<D>(held, D::place(&self.database.pool)).await;
        match facts.is_ok_and(|facts| server::is_no_writer(&facts)) {
            true => Writer::Elsewhere,
            false => Writer::Here,
        }
    }
}
