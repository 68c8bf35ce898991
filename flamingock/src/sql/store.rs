//! The store of the audit and of the lock in a database.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::{Ledger, OtherFormat};
use sqlx::Pool;
use tokio::sync::OwnedMutexGuard;

use super::connection_cache::ConnectionCache;
use super::driver::Driver;
use super::server::Server;
use crate::audit::snapshot::LockStatus;
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// The store of the audit and of the lock in a database.
pub(crate) struct SqlStore<D: Driver> {
    pub(super) pool: Pool<D::Database>,
    pub(super) ledger: Arc<Ledger<D>>,
    lease: Duration,
    pub(super) in_memory: Option<InMemoryLock>,
    pub(super) cache: Arc<ConnectionCache<D>>,
    pub(super) server: Server,
}

impl<D: Driver> fmt::Debug for SqlStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlStore({})", self.ledger.dialect().name)
    }
}

/// The locks of a database in the memory of this process, by lane. They have no lease, because they
/// end with the process.
#[derive(Debug)]
pub(super) struct InMemoryLock {
    lanes: Arc<Lanes>,
    held: Mutex<HashMap<String, OwnedMutexGuard<()>>>,
}

type Lanes = Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>;

/// The locks of the in-memory databases in use, by the name of the database.
static IN_MEMORY_LOCKS: Mutex<Vec<(PathBuf, Weak<Lanes>)>> = Mutex::new(Vec::new());

impl InMemoryLock {
    fn for_database(name: PathBuf) -> InMemoryLock {
        let mut locks = IN_MEMORY_LOCKS
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        locks.retain(|(_, lanes)| lanes.strong_count() > 0);
        let known = locks.iter().find(|(known, _)| *known == name);
        let lanes = known
            .and_then(|(_, lanes)| lanes.upgrade())
            .unwrap_or_else(|| {
                let lanes = Arc::new(Lanes::default());
                locks.push((name, Arc::downgrade(&lanes)));
                lanes
            });
        InMemoryLock {
            lanes,
            held: Mutex::default(),
        }
    }

    /// Locks a lane, unless it has an owner.
    pub(super) fn try_lock(&self, lane: &str) -> Option<OwnedMutexGuard<()>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = lanes.entry(lane.to_owned()).or_default();
        Arc::clone(lock).try_lock_owned().ok()
    }

    /// Keeps the lock of a lane, or unlocks it.
    pub(super) fn hold(&self, lane: &str, guard: Option<OwnedMutexGuard<()>>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match guard {
            Some(guard) => held.insert(lane.to_owned(), guard),
            None => held.remove(lane),
        };
    }
}

impl<D: Driver> SqlStore<D> {
    pub(super) fn new(
        pool: Pool<D::Database>,
        ledger: Arc<Ledger<D>>,
        lease: Duration,
        cache: Arc<ConnectionCache<D>>,
        server: Server,
    ) -> SqlStore<D> {
        let in_memory = D::in_memory_name(&pool);
        SqlStore {
            pool,
            ledger,
            lease,
            in_memory: in_memory.map(InMemoryLock::for_database),
            cache,
            server,
        }
    }

    /// Corrects the status of the lock: the row of an in-memory database outlives an owner whose
    /// task was dropped, but the lock of the process does not.
    pub(super) fn correct_held(&self, lock: &mut LockStatus) {
        if let Some(in_memory) = &self.in_memory {
            lock.held &= in_memory.try_lock(&lock.lane).is_none();
        }
    }

    /// Returns the length of a lease. `None` if the lock ends with the process.
    pub(super) fn lease(&self) -> Option<Duration> {
        self.in_memory.is_none().then_some(self.lease)
    }
}

/// Refuses rows that do not show everything that is in the tables.
pub(super) fn check_readable(
    read: sqlx_audit::Snapshot,
) -> Result<sqlx_audit::Snapshot, StoreError> {
    match read.unreadable {
        None => Ok(read),
        Some(text) => {
            let text = format!("the audit cannot be read as it is: {text}");
            let source = "a part of the history would say that changes were never applied";
            Err(StoreError::new(StoreErrorKind::Other, text, source))
        }
    }
}

/// Returns the error for tables of another format, with what to do.
pub(super) fn format_error(other: &OtherFormat) -> StoreError {
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
