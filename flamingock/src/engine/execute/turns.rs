//! Mutual exclusion of changes and entries when stages run in parallel.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;

/// Keeps the changes of parallel stages from blocking each other.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: RwLock<()>,
    /// Whether the database of the audit has a single writer. Entries then wait here for
    /// transactions, instead of running into the database's busy timeout.
    has_one_writer: bool,
}

/// A turn, which ends when it is dropped.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Together with other transactions.
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    /// Alone.
    Own(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
    /// Without waiting.
    Free,
}

impl Turns {
    pub(crate) fn new(audit_has_one_writer: bool) -> Turns {
        Turns {
            has_one_writer: audit_has_one_writer,
            ..Turns::default()
        }
    }

    /// Waits for the turn of a change in a transaction.
    pub(crate) async fn of_transaction(&self, database: &dyn Database) -> Turn<'_> {
        if self.has_one_writer || database.is_single_writer() {
            return Turn::Own(self.turns.write().await);
        }
        Turn::Shared(self.turns.read().await)
    }

    /// Waits for the turn of a non-transactional change with a connection.
    /// `CREATE INDEX CONCURRENTLY` of PostgreSQL waits for every transaction of its database, and
    /// some of these may wait for the index.
    pub(crate) async fn of_connection(&self, database: &dyn Database) -> Turn<'_> {
        if database.is_single_writer() || database.kind() == DatabaseKind::Postgres {
            return Turn::Own(self.turns.write().await);
        }
        Turn::Free
    }

    /// Waits for the turn of an entry outside a change's transaction.
    pub(crate) async fn of_entry(&self) -> Turn<'_> {
        if self.has_one_writer {
            return Turn::Own(self.turns.write().await);
        }
        Turn::Free
    }
}
