//! The traits of a store: one for the audit, one for the lock.

use super::change_progress::ChangeProgress;
use super::control::{ControlChange, ProgressControl};
use super::progress::{BatchEnd, Progress, ProgressClaim};
use super::store_error::{StoreError, StoreErrorKind};
use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, NewEntry, State};
use super::grant::{AcquireRequest, LockGrant};
use super::snapshot::{LockProgress, LockStatus, Snapshot};
use crate::util::boxed::BoxFuture;
use crate::util::time;

/// The result of a successful acquisition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Acquired {
    /// The grant with which the new owner writes.
    pub grant: LockGrant,
    /// The run that had the lock before and did not release it, read from the row in the same
    /// statement that updates it: that run may be dead or still working. It is the requesting run
    /// itself if that had the lock already. `None` if the lock was released or never taken: then no
    /// earlier owner left anything unfinished.
    pub previous_run: Option<String>,
}

impl Acquired {
    /// Returns the result of an acquisition: see the fields.
    pub fn new(grant: LockGrant, previous_run: Option<String>) -> Acquired {
        Acquired {
            grant,
            previous_run,
        }
    }
}

/// Selects the entries to read: `HistoryFilter::default().change("create-users").latest_only()`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryFilter {
    /// Only this change.
    pub change_id: Option<String>,
    /// Only this state.
    pub state: Option<State>,
    /// Only this attempt.
    pub attempt: Option<u32>,
    /// Only this run.
    pub run_id: Option<String>,
    /// Only entries whose attempt began at or after this time.
    #[serde(
        serialize_with = "time::serialize_if_any",
        deserialize_with = "time::deserialize_if_any",
        default
    )]
    pub since: Option<SystemTime>,
    /// Only the latest entry of each change, and the latest of the entries that concern no change.
    pub latest_only: bool,
}

impl HistoryFilter {
    /// Reads only the entries of this change.
    #[must_use]
    pub fn change(self, id: impl Into<String>) -> HistoryFilter {
        HistoryFilter {
            change_id: Some(id.into()),
            ..self
        }
    }

    /// Reads only the entries with this state.
    #[must_use]
    pub fn state(self, state: State) -> HistoryFilter {
        HistoryFilter {
            state: Some(state),
            ..self
        }
    }

    /// Reads only the entries of this attempt.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> HistoryFilter {
        HistoryFilter {
            attempt: Some(attempt),
            ..self
        }
    }

    /// Reads only the entries of the run with this id.
    #[must_use]
    pub fn run(self, run_id: impl Into<String>) -> HistoryFilter {
        HistoryFilter {
            run_id: Some(run_id.into()),
            ..self
        }
    }

    /// Reads only entries whose attempt began at or after this time, by the database's clock.
    #[must_use]
    pub fn since(self, time: SystemTime) -> HistoryFilter {
        HistoryFilter {
            since: Some(time),
            ..self
        }
    }

    /// Reports whether an entry of the service matches, apart from
    /// [`latest_only`](HistoryFilter::latest_only), for which the other entries count, too.
    pub fn matches(&self, entry: &Entry) -> bool {
        let is_of = |wanted: &Option<String>, found: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        };
        is_of(&self.change_id, entry.change_id.as_ref())
            && is_of(&self.run_id, Some(&entry.run_id))
            && self
                .state
                .as_ref()
                .is_none_or(|state| *state == entry.state)
            && self.attempt.is_none_or(|attempt| attempt == entry.attempt)
            && self.since.is_none_or(|since| since <= entry.started_at)
    }

    /// Reads only the latest entry of each change.
    #[must_use]
    pub fn latest_only(self) -> HistoryFilter {
        HistoryFilter {
            latest_only: true,
            ..self
        }
    }
}

/// The store of the audit entries.
///
/// # Cancel safety
/// The engine drops a future whose answer takes too long. An append whose future is dropped may
/// still be written: before the engine appends the same entries again, it reads by their
/// idempotency keys which of them were.
#[async_trait]
pub trait AuditStore: fmt::Debug + Send + Sync {
    /// Returns the state that a run needs before it decides. Only reads. If the last run of
    /// `service` ended with the pipeline `digest` applied, the entries may be left out.
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError>;

    /// Returns the lock, and how many changes were applied after the entry at `since`, for a waiter
    /// that polls. Only reads. Returns `None` if the service is not known, or if a whole snapshot
    /// costs no more.
    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let _ = (service, digest, since);
        Ok(None)
    }

    /// Returns the statements that create everything a service needs, to be applied by hand; `None`
    /// if there is nothing to create.
    fn schema(&self, service: &str) -> Option<String>;

    /// Returns the statements that grant database users the rights on the tables; `None` for a
    /// store without users.
    fn grants(&self) -> Option<String> {
        None
    }

    /// Returns the statements that upgrade tables of an older version to the format of this
    /// version, to be applied by hand; empty if there is nothing to do. Only reads.
    async fn upgrade(&self) -> Result<String, StoreError> {
        Ok(String::new())
    }

    /// Creates whatever is missing. Several processes may do so at the same time.
    async fn create(&self, service: &str) -> Result<(), StoreError>;

    /// Reports whether another process is creating the tables right now, if the store can tell.
    async fn creation_in_progress(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Creates the lock of a service that is not known yet, in existing tables.
    async fn register(&self, service: &str) -> Result<(), StoreError>;

    /// Appends entries durably, if `grant` is the latest one. Returns the position of the first
    /// entry.
    ///
    /// An append whose answer was lost may arrive late. A store behind a network refuses entries
    /// whose idempotency keys it has, and one that says that an attempt began or failed after its
    /// last entry, or they could end up behind it.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`](super::StoreErrorKind::Refused) if the lock has another owner,
    /// and any error while the entries are written.
    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError>;

    /// Fails if a service without entries here has a history in another place, as far as the store
    /// can tell. Only reads.
    async fn refuse_hidden(&self, service: &str) -> Result<(), StoreError> {
        let _ = service;
        Ok(())
    }

    /// Returns the entries that match the filter, oldest first.
    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Returns at most `limit` entries that match the filter, oldest first, beginning after the
    /// position `after`. Only reads.
    ///
    /// The default implementation reads the whole history for each page: override it for a store
    /// whose history can be long.
    async fn page(
        &self,
        service: &str,
        filter: &HistoryFilter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.history(service, filter).await?;
        entries.retain(|entry| entry.seq > after);
        entries.truncate(limit);
        Ok(entries)
    }

    /// Makes a run the one that works on a change in batches, unless a run with a later fencing
    /// token has done so, and returns the progress. `None` if there is none although the change
    /// does not begin anew.
    ///
    /// A claim of the run that owns the progress already changes nothing, also if it says that the
    /// change begins anew: its answer may have been lost, or it arrives after batches.
    ///
    /// The default implementation fails: a store without progress has no changes in batches, but
    /// for those whose target system is a database of its own.
    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError> {
        let _ = claim;
        Err(no_progress())
    }

    /// Saves what a batch did outside a transaction, for the run that claimed the change last.
    /// Saving the same batch again changes nothing.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`](super::StoreErrorKind::Refused) if another run has claimed the
    /// change.
    async fn save_progress(
        &self,
        claim: &ProgressClaim,
        batch: &BatchEnd,
    ) -> Result<(), StoreError> {
        let _ = (claim, batch);
        Err(no_progress())
    }

    /// Returns what operators have set for a change in batches; `None` if it has not begun. Only
    /// reads.
    async fn control(
        &self,
        service: &str,
        change_id: &str,
    ) -> Result<Option<ProgressControl>, StoreError> {
        let _ = (service, change_id);
        Ok(None)
    }

    /// Changes what is set for a change in batches that has begun and is not finished; otherwise
    /// changes nothing. A request needs no lock, and a state the lock of the change.
    async fn change_control(
        &self,
        service: &str,
        change_id: &str,
        change: &ControlChange,
    ) -> Result<(), StoreError> {
        let _ = (service, change_id, change);
        Err(no_progress())
    }

    /// Returns how far the changes in batches of a service are. Only reads.
    async fn progress(&self, service: &str) -> Result<Vec<ChangeProgress>, StoreError> {
        let _ = service;
        Ok(Vec::new())
    }

    /// Creates the lock of a lane of a service that is known, unless it exists. Its fencing tokens
    /// continue those of the service's other lanes.
    ///
    /// The default implementation fails: a store without lanes has no changes in the background.
    async fn open_lane(&self, service: &str, lane: &str) -> Result<(), StoreError> {
        let _ = (service, lane);
        Err(StoreError::new(
            StoreErrorKind::Other,
            "could not begin a change in the background",
            "this store has no lanes",
        ))
    }

    /// Returns the locks of the service's lanes but for [`STARTUP`](super::STARTUP). Only reads.
    async fn lanes(&self, service: &str) -> Result<Vec<LockStatus>, StoreError> {
        let _ = service;
        Ok(Vec::new())
    }

    /// Returns the services that have an entry or a lock, by name. Only reads.
    async fn services(&self) -> Result<Vec<String>, StoreError>;
}

/// Returns the snapshot of a service, with its entries and the locks of its lanes.
pub(crate) async fn whole_snapshot(
    store: &dyn Store,
    service: &str,
) -> Result<Snapshot, StoreError> {
    let mut snapshot = store.snapshot(service, "").await?;
    if snapshot.has_lanes {
        snapshot.lanes = store.lanes(service).await?;
    }
    Ok(snapshot)
}

fn no_progress() -> StoreError {
    StoreError::new(
        StoreErrorKind::Other,
        "could not save the progress of a change that works in batches",
        "this store keeps none",
    )
}

/// Renews the lease of a lock.
///
/// A renewal can be repeated, and its answer can arrive late: the run counts the lease from the
/// moment before it sent the request.
#[async_trait]
pub trait LeaseRenewer: fmt::Debug + Send + Sync {
    /// Extends the lease, even if it has ended already. Returns `false`, and changes nothing, if
    /// the lock has another owner or was released.
    ///
    /// # Cancel safety
    /// The future can be dropped.
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError>;
}

/// The store of the lock.
///
/// Answers can be late or lost, so every method can be called again.
#[async_trait]
pub trait LockStore: LeaseRenewer {
    /// Acquires the lock if it is free or its lease has ended, with a fencing token larger than
    /// every earlier one. Never waits for another owner: returns `None` if the lock has one, or if
    /// another run was faster.
    ///
    /// A run that has the lock already gets it again, with the same fencing token and a new lease,
    /// because the answer to its first request may have been lost.
    ///
    /// Forgets the digest of the last release: until the next one, no pipeline counts as applied.
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError>;

    /// Makes sure that earlier owners which did not release the lock can commit nothing any more.
    /// Called once the lock is acquired, while its lease is being renewed. The default
    /// implementation does nothing: it suits stores to which an earlier owner cannot write.
    ///
    /// # Errors
    /// Sessions of an earlier owner that could not be terminated within a lease. The lock is then
    /// not released, so that the next owner tries again.
    async fn end_previous(&self, grant: &LockGrant, lease: Duration) -> Result<(), StoreError> {
        let _ = (grant, lease);
        Ok(())
    }

    /// Releases the lock, and records the pipeline's digest if all of the pipeline is applied.
    /// Changes nothing if the lock has another owner or was released already.
    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError>;

    /// Returns the renewer for the thread that renews the lease, with a connection of its own.
    /// `None` if the lease ends with the process and needs no renewal.
    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>>;

    /// Runs the renewals of a lease in parallel to the run, until they end by themselves, on a
    /// thread with its own runtime. A store in simulated time runs them where that time passes.
    ///
    /// # Errors
    /// The thread could not be started.
    #[doc(hidden)]
    fn renew_beside(&self, renewals: BoxFuture<'static, ()>) -> std::io::Result<()> {
        crate::util::own_thread::on_a_thread(renewals)
    }
}

/// A store for both the audit and the lock.
pub trait Store: AuditStore + LockStore {}

impl<T: AuditStore + LockStore> Store for T {}
