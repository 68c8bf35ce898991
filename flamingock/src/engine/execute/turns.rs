//! Who waits for whom when stages run side by side.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;

/// What keeps the changes of parallel stages out of each other's way.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: RwLock<()>,
    /// Whether the audit has one writer at a time: then entries wait for transactions here, and not
    /// until the database's patience is at its end.
    has_one_writer: bool,
}

/// A turn; it ends when it is dropped.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Beside others.
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    /// Alone.
    Own(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
    /// There is nobody to wait for.
    Free,
}

impl Turns {
    pub(crate) fn new(audit_has_one_writer: bool) -> Turns {
        Turns {
            has_one_writer: audit_has_one_writer,
            ..Turns::default()
        }
    }

    /// For a change in a transaction.
    pub(crate) async fn of_transaction(&self, database: &dyn Database) -> Turn<'_> {
        if self.has_one_writer || database.is_single_writer() {
            return Turn::Own(self.turns.write().await);
        }
        Turn::Shared(self.turns.read().await)
    }

    /// For a change on a connection without transaction. `CREATE INDEX CONCURRENTLY` of PostgreSQL
    /// waits for every transaction of its database, and some of these may wait for it.
    pub(crate) async fn of_connection(&self, database: &dyn Database) -> Turn<'_> {
        if database.is_single_writer() || database.kind() == DatabaseKind::Postgres {
            return Turn::Own(self.turns.write().await);
        }
        Turn::Free
    }

    /// For an entry of its own.
    pub(crate) async fn of_entry(&self) -> Turn<'_> {
        if self.has_one_writer {
            return Turn::Own(self.turns.write().await);
        }
        Turn::Free
    }
}
