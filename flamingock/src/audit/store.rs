//! What a store of the audit and of the lock must do.

use super::store_error::StoreError;
use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::entry::{Entry, NewEntry, State};
use super::snapshot::{LockGrant, LockProgress, Snapshot};
use crate::util::boxed::BoxFuture;

/// What is asked of the lock.
#[derive(Clone, Debug)]
pub struct AcquireRequest {
    /// The service.
    pub service: String,
    /// The random id of the run.
    pub run_id: String,
    /// Who asks, for people.
    pub owner: String,
    /// How long the lease is, counted by the store.
    pub lease: Duration,
    /// Takes the lock from the living owner with this fencing token, and from nobody else: neither from
    /// an owner that came after it, nor when the lock is free. None: takes the lock if its lease is over.
    pub force: Option<i64>,
}

/// The lock, as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// What the new owner shows from now on.
    pub grant: LockGrant,
    /// The run that had the lock before and did not give it back, as the row said that was updated: it
    /// may be dead, or go on. The claim's own run where it had the lock already. None if the lock was
    /// given back, or nobody ever had it: then nothing of an earlier owner is open.
    pub previous_run: Option<String>,
}

/// Which entries to read: `HistoryFilter::default().change("create-users").latest_only()`.
#[derive(Clone, Debug, Default)]
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
    pub since: Option<SystemTime>,
    /// Only the latest entry of each change, and the latest of those about no change.
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

    /// Reads only entries whose attempt began at or after this time, by the clock of the database.
    #[must_use]
    pub fn since(self, time: SystemTime) -> HistoryFilter {
        HistoryFilter {
            since: Some(time),
            ..self
        }
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

/// Where entries are kept.
#[async_trait]
pub trait AuditStore: fmt::Debug + Send + Sync {
    /// What a start needs to know. Reads only.
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError>;

    /// The little that a waiter looks at: the lock, and how much was applied behind the entry at
    /// `since`. Reads only. None where the service is not known, and where a whole snapshot costs no
    /// more.
    async fn lock_progress(
        &self,
        service: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>, StoreError> {
        let _ = (service, digest, since);
        Ok(None)
    }

    /// The statements that create what a service needs, for people who apply them by hand; none
    /// where nothing is to be created.
    fn schema(&self, service: &str) -> Option<String>;

    /// Returns the statements that bring what an older version created to the format that this one uses,
    /// for people who apply them by hand; empty where nothing is to be done. Reads only.
    async fn upgrade(&self) -> Result<String, StoreError> {
        Ok(String::new())
    }

    /// Creates what is missing; safe for many at once.
    async fn create(&self, service: &str) -> Result<(), StoreError>;

    /// Whether somebody is creating it right now, if that can be told.
    async fn creation_in_progress(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Makes the lock of a service known that was never seen, in tables that are there.
    async fn register(&self, service: &str) -> Result<(), StoreError>;

    /// Appends entries, durably, only while the grant is the latest one
    /// ([`StoreErrorKind::Refused`](super::StoreErrorKind::Refused) otherwise). Returns the place of the first.
    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError>;

    /// Fails if a service that has no entry here has a history in another place, where that can be told.
    /// Reads only.
    async fn refuse_hidden(&self, service: &str) -> Result<(), StoreError> {
        let _ = service;
        Ok(())
    }

    /// The entries that match, oldest first.
    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Returns the entries that match, oldest first, at most `limit` of them, from behind the place
    /// `after`. Reads only.
    ///
    /// A store whose history can be long overrides it: without that, all of it is read for each page.
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

    /// The services that have an entry or have had a lock, by name. Reads only.
    async fn services(&self) -> Result<Vec<String>, StoreError>;
}

/// Renews a lease.
///
/// A renewal may be asked for again, and its answer may come late: the run counts the lease from before
/// it asked.
#[async_trait]
pub trait LeaseRenewer: fmt::Debug + Send + Sync {
    /// Moves the end of the lease, which may be over already. False: the lock is another's, or was
    /// given back, and nothing was changed.
    ///
    /// The future may be dropped.
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError>;
}

/// Where the owner of the lock is kept.
///
/// Every answer may be late or lost: each of these can be asked again.
#[async_trait]
pub trait LockStore: LeaseRenewer {
    /// Takes the lock if its lease is over, with a fencing token that is larger than every one before.
    /// Never waits for another owner: none says that somebody else has the lock, or was faster.
    ///
    /// A run that has the lock gets it again, with the fencing token that it has, and a lease that begins
    /// anew: the answer to its first claim may have been lost.
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError>;

    /// Sees to it that nothing is committed any more of the owners before this one that did not give the
    /// lock back; asked once the lock is taken, and while the lease is being renewed. Stores whose
    /// entries can't be written by an earlier owner have nothing to do.
    ///
    /// # Errors
    /// What could not be ended within a lease: the lock is not given back then, so that the next owner
    /// looks too.
    async fn end_previous(&self, grant: &LockGrant, lease: Duration) -> Result<(), StoreError> {
        let _ = (grant, lease);
        Ok(())
    }

    /// Gives the lock back, with the pipeline's digest if all of it is applied. Changes nothing if the
    /// lock is another's, or was given back already.
    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError>;

    /// What the thread that renews the lease uses, with a connection of its own. None: the lease
    /// ends with the process.
    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>>;

    /// Runs the renewals of a lease beside the run, until they end by themselves: on a thread with a
    /// runtime of its own. A store in simulated time runs them where that time passes.
    ///
    /// # Errors
    /// If they cannot be started.
    #[doc(hidden)]
    fn renew_beside(&self, renewals: BoxFuture<'static, ()>) -> std::io::Result<()> {
        crate::util::own_thread::on_a_thread(renewals)
    }
}

/// A store for both.
pub trait Store: AuditStore + LockStore {}

impl<T: AuditStore + LockStore> Store for T {}
