//! The audit and the lock in a database of sqlx.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Ledger, OtherFormat};
use sqlx::Pool;

use super::connection_cache::Kept;
use super::driver::Driver;
use super::server::Server;
use crate::audit::snapshot::LockStatus;
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// The audit and the lock in a database of sqlx.
pub(crate) struct SqlStore<D: Driver> {
    pub(super) pool: Pool<D::Database>,
    pub(super) ledger: Arc<Ledger<D>>,
    lease: Duration,
    pub(super) memory: Option<Memory>,
    pub(super) kept: Arc<Kept<D>>,
    pub(super) server: Server,
}

impl<D: Driver> fmt::Debug for SqlStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlStore({})", self.ledger.dialect().name)
    }
}

/// A database in this process's memory has one lock per process, and no lease: it dies with it.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
    held: Mutex<Option<tokio::sync::OwnedMutexGuard<()>>>,
}

/// The locks of the in-memory databases that are in use, by their names.
static MEMORIES: Mutex<Vec<(PathBuf, Weak<tokio::sync::Mutex<()>>)>> = Mutex::new(Vec::new());

impl Memory {
    fn of(name: PathBuf) -> Memory {
        let mut memories = MEMORIES.lock().unwrap_or_else(PoisonError::into_inner);
        memories.retain(|(_, lock)| lock.strong_count() > 0);
        let known = memories.iter().find(|(known, _)| *known == name);
        let lock = known
            .and_then(|(_, lock)| lock.upgrade())
            .unwrap_or_else(|| {
                let lock = Arc::new(tokio::sync::Mutex::new(()));
                memories.push((name, Arc::downgrade(&lock)));
                lock
            });
        Memory {
            lock,
            held: Mutex::new(None),
        }
    }

    pub(super) fn set_held(&self, guard: Option<tokio::sync::OwnedMutexGuard<()>>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = guard;
    }
}

impl<D: Driver> SqlStore<D> {
    pub(super) fn new(
        pool: Pool<D::Database>,
        ledger: Arc<Ledger<D>>,
        lease: Duration,
        kept: Arc<Kept<D>>,
        server: Server,
    ) -> SqlStore<D> {
        let memory = D::memory(&pool);
        SqlStore {
            pool,
            ledger,
            lease,
            memory: memory.map(Memory::of),
            kept,
            server,
        }
    }

    /// The row of a database in memory outlives an owner whose task was dropped; the process's own lock
    /// does not.
    pub(super) fn note(&self, lock: &mut LockStatus) {
        if let Some(memory) = &self.memory {
            lock.held &= memory.lock.try_lock().is_err();
        }
    }

    /// How long a lease is; none where it ends with the process.
    pub(super) fn lease(&self) -> Option<Duration> {
        self.memory.is_none().then_some(self.lease)
    }
}

/// Rows that are not what is in the tables are none.
pub(super) fn readable(read: leaf::Snapshot) -> Result<leaf::Snapshot, StoreError> {
    match read.unreadable {
        None => Ok(read),
        Some(text) => {
            let text = format!("the audit cannot be read as it is: {text}");
            let source = "a part of the history would say that changes were never applied";
            Err(StoreError::new(StoreErrorKind::Other, text, source))
        }
    }
}

/// Tables of another format, and what to do about them.
pub(super) fn of_format(other: &OtherFormat) -> StoreError {
    let remedy = match other {
        OtherFormat::Older { .. } => {
            "While nothing of the older version runs, execute the statements that the command `schema --upgrade` prints (in code, `Runner::schema_upgrade`)"
        }
        OtherFormat::Newer { .. } => {
            "Run a version of the application that has at least the version of Flamingock that upgraded them"
        }
    };
    let source = "the tables are left as they are";
    StoreError::new(
        StoreErrorKind::OtherFormat,
        format!("{other}. {remedy}"),
        source,
    )
}
