//! The audit and the lock in a database of sqlx.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Failure, Ledger, Page, Whose};
use sqlx::Pool;

use super::connection::aside;
use super::connection_cache::Kept;
use super::driver::Driver;
use super::in_doubt::PAUSE;
use super::lease_renewer::Renewer;
use super::retry::{Tries, reads, tries};
use super::rows;
use super::server::{Server, ask};
use super::sessions::end_open;
use crate::audit::entry::{Entry, NewEntry};
use crate::audit::snapshot::{LockGrant, LockProgress, LockStatus, Snapshot};
use crate::audit::store::{
    AcquireRequest, Acquired, AuditStore, HistoryFilter, LeaseRenewer, LockStore,
};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::util::error_chain::ErrorChain;

/// The lane of what runs before an application serves.
pub(super) const LANE: &str = "startup";

/// The column of the table of leases that SQLite's first tables did not have.
const WALL_END: &str = "expires_wall_ms";

/// How long a statement of ours rests before it is repeated because somebody else writes.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(25);

/// The audit and the lock in a database of sqlx.
pub(crate) struct SqlStore<D: Driver> {
    pub(super) pool: Pool<D::Database>,
    pub(super) ledger: Arc<Ledger<D>>,
    lease: Duration,
    memory: Option<Memory>,
    pub(super) kept: Arc<Kept<D>>,
    server: Server,
}

impl<D: Driver> fmt::Debug for SqlStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlStore({})", self.ledger.dialect().name)
    }
}

/// A database in this process's memory has one lock per process, and no lease: it dies with it.
#[derive(Debug)]
struct Memory {
    lock: Arc<tokio::sync::Mutex<()>>,
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

    fn set_held(&self, guard: Option<tokio::sync::OwnedMutexGuard<()>>) {
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
    fn note(&self, lock: &mut LockStatus) {
        if let Some(memory) = &self.memory {
            lock.held &= memory.lock.try_lock().is_err();
        }
    }

    /// How long a lease is; none where it ends with the process.
    pub(super) fn lease(&self) -> Option<Duration> {
        self.memory.is_none().then_some(self.lease)
    }
}

/// Whether the table of leases was made by a version that did not have all of its columns.
fn lacks_column(error: &StoreError) -> bool {
    let causes = ErrorChain::of(error);
    let mut causes = causes.causes().iter();
    causes.any(|cause| cause.contains("no such column") && cause.contains(WALL_END))
}

impl<D: Driver> SqlStore<D> {
    /// What to do about such a table.
    fn older(&self, kind: StoreErrorKind) -> StoreError {
        let table = self.ledger.lease_table();
        let text = format!(
            "it was made by an older version. While nothing of that version runs, add the column: `ALTER TABLE {table} ADD COLUMN {WALL_END} INTEGER NOT NULL DEFAULT 0`"
        );
        StoreError::new(kind, "the table of leases lacks a column", text)
    }

    /// Refuses what no test proves, and a server that takes no writes, before anything is written there:
    /// one statement a run.
    async fn know_the_server(&self) -> Result<(), StoreError> {
        const ACTION: &str = "could not take the lock";
        if self.server.is_known() {
            return Ok(());
        }
        let mut tries = Tries::of(self, ACTION, true);
        loop {
            let mut held = tries.connection().await?;
            let asked = tries
                .bounded(ask::<D>(&mut held, D::place(&self.pool)))
                .await;
            let judged = asked
                .as_ref()
                .ok()
                .map(|facts| self.server.judge::<D>(ACTION, &self.pool, facts));
            // A connection to a server that takes no writes is closed: the next one may lead elsewhere.
            if let Some(Err(error)) = judged {
                return Err(error);
            }
            if tries.judge(held, asked).await?.is_none() {
                continue;
            }
            if let Some(Ok(true)) = judged {
                self.ledger.write_lock_with_entries();
            }
            return Ok(());
        }
    }

    /// Ends the sessions of everybody but this owner.
    pub(super) async fn end_others(&self, grant: &leaf::LockGrant) -> Result<Vec<i64>, StoreError> {
        tries!(self, "could not take the lock over", |connection| {
            end_open(connection, &self.ledger, grant, Whose::Others)
        })
    }
}

#[async_trait]
impl<D: Driver> AuditStore for SqlStore<D> {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let read = reads!(self, "could not read the audit", |connection| {
            self.ledger.snapshot(connection, service, LANE, digest)
        });
        let mut snapshot = match read {
            Err(error) if error.kind == StoreErrorKind::MissingTable => {
                self.refuse_misplaced().await?;
                return Ok(Snapshot::default());
            }
            Err(error) if lacks_column(&error) => return Err(self.older(error.kind)),
            read => rows::snapshot(readable(read?)?),
        };
        if let Some(lock) = &mut snapshot.lock {
            self.note(lock);
        }
        Ok(snapshot)
    }

    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let read = reads!(self, "could not look at the lock", |connection| {
            self.ledger.glance(connection, service, LANE, digest, since)
        })?;
        let mut progress = read.map(rows::progress);
        if let Some(progress) = &mut progress {
            self.note(&mut progress.lock);
        }
        Ok(progress)
    }

    fn schema(&self, service: &str) -> Option<String> {
        Some(self.ledger.schema(service, LANE))
    }

    async fn create(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_unfit().await?;
        self.know_the_server().await?;
        tries!(self, "could not create the audit's tables", |connection| {
            self.ledger.create(connection, service, LANE)
        })
    }

    async fn creation_in_progress(&self) -> Result<bool, StoreError> {
        reads!(self, "could not create the audit's tables", |connection| {
            self.ledger.is_being_made(connection)
        })
    }

    async fn refuse_hidden(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_hidden_history(service).await
    }

    async fn register(&self, service: &str) -> Result<(), StoreError> {
        self.refuse_unfit().await?;
        self.know_the_server().await?;
        tries!(
            self,
            "could not make the lock of the service",
            |connection| self.ledger.seed(connection, service, LANE)
        )
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let grant = rows::grant(grant);
        let entries: Vec<_> = entries.iter().map(rows::new_row).collect();
        self.append_once(&grant, &entries).await
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        self.page(service, filter, Page::ALL.after, usize::MAX)
            .await
    }

    async fn page(
        &self,
        service: &str,
        filter: &HistoryFilter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.refuse_unreadable().await?;
        let filter = rows::filter(filter);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = Page { after, limit };
        let read = reads!(self, "could not read the audit", |connection| {
            self.ledger.history(connection, service, &filter, page)
        });
        Ok(read?.into_iter().map(rows::entry).collect())
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        self.refuse_unreadable().await?;
        reads!(self, "could not read the services", |connection| {
            self.ledger.services(connection, LANE)
        })
    }
}

#[async_trait]
impl<D: Driver> LockStore for SqlStore<D> {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        self.refuse_unfit().await?;
        self.know_the_server().await?;
        let guard = match &self.memory {
            Some(memory) => match Arc::clone(&memory.lock).try_lock_owned() {
                Ok(guard) => Some(guard),
                Err(_) => return Ok(None),
            },
            None => None,
        };
        let wanted = leaf::LockGrant {
            service: claim.service.clone(),
            lane: LANE.to_owned(),
            token: 0,
            run_id: claim.run_id.clone(),
        };
        let lease = self.lease().map(|_| claim.lease);
        let acquired = tries!(self, "could not take the lock", |connection| {
            self.ledger
                .acquire(connection, &wanted, &claim.owner, lease, claim.force)
        });
        let acquired = match acquired {
            // Somebody else was taking it.
            Err(error) if matches!(error.kind, StoreErrorKind::Busy | StoreErrorKind::Conflict) => {
                None
            }
            acquired => acquired?,
        };
        if let (Some(memory), Some(_)) = (&self.memory, &acquired) {
            memory.set_held(guard);
        }
        Ok(acquired.map(rows::acquired))
    }

    async fn end_previous(&self, grant: &LockGrant, lease: Duration) -> Result<(), StoreError> {
        self.end_those_before(grant, lease).await
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let grant = rows::grant(grant);
        let deadline = Instant::now() + self.ledger.patience();
        let released = loop {
            let released = tries!(self, "could not give the lock back", |connection| {
                self.ledger.release(connection, &grant, digest)
            });
            match released {
                // The connection is closed: the next one may lead to the writer.
                Err(error)
                    if error.kind == StoreErrorKind::ReadOnly && Instant::now() < deadline =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                released => break released,
            }
        };
        if let Some(memory) = &self.memory {
            memory.set_held(None);
        }
        released
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        if self.memory.is_some() {
            return None;
        }
        Some(Box::new(Renewer::<D>::new(
            aside::<D>(&self.pool),
            Arc::clone(&self.ledger),
        )))
    }
}

#[async_trait]
impl<D: Driver> LeaseRenewer for SqlStore<D> {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let grant = rows::grant(grant);
        tries!(self, "could not renew the lease", |connection| self
            .ledger
            .renew(connection, &grant, Some(lease), activity))
    }
}

/// Rows that are not what is in the tables are none.
fn readable(read: leaf::Snapshot) -> Result<leaf::Snapshot, StoreError> {
    match read.unreadable {
        None => Ok(read),
        Some(text) => {
            let text = format!("the audit cannot be read as it is: {text}");
            let source = "a part of the history would say that changes were never applied";
            Err(StoreError::new(StoreErrorKind::Other, text, source))
        }
    }
}

/// What a failure means, with what was being done.
pub(super) fn failed<D: Driver>(action: &'static str, error: sqlx::Error) -> StoreError {
    let kind = kind::<D>(&error);
    match D::repair(&error) {
        Some(repair) => StoreError::new(kind, format!("{action}: {repair}"), error),
        None => StoreError::new(kind, action, error),
    }
}

/// What a failure means.
pub(super) fn kind<D: Driver>(error: &sqlx::Error) -> StoreErrorKind {
    match D::classify(error) {
        Failure::MissingTable => StoreErrorKind::MissingTable,
        Failure::Refused => StoreErrorKind::Refused,
        Failure::Denied => StoreErrorKind::Denied,
        Failure::ReadOnly => StoreErrorKind::ReadOnly,
        Failure::Busy => StoreErrorKind::Busy,
        Failure::LockTimeout | Failure::Serialization | Failure::Deadlock => {
            StoreErrorKind::Conflict
        }
        Failure::Disconnected => StoreErrorKind::Disconnected,
        Failure::Duplicate | Failure::NoSavepoint | Failure::Other => StoreErrorKind::Other,
    }
}
