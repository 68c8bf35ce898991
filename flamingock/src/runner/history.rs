//! Reading the audit as a whole or page by page, the lock, and the progress.

use super::builder::Runner;
use crate::audit::change_progress::ChangeProgress;
use crate::audit::entry::Entry;
use crate::audit::snapshot::LockStatus;
use crate::audit::store::HistoryFilter;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::failed_row::FailedRow;
use crate::engine;
use crate::engine::collect::open_storage as open;
use crate::report::error::{Error, invalid};
use crate::util::near_miss::did_you_mean;

impl Runner {
    /// Returns the entries of this service that match the filter, oldest first. Only reads. Returns
    /// no entries if the tables do not exist.
    ///
    /// All entries are in memory at once; [`history_page`](Self::history_page) reads a long history
    /// in parts.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) for settings that a run would refuse, and any error while the
    /// audit is read.
    pub async fn history(&self, filter: &HistoryFilter) -> Result<Vec<Entry>, Error> {
        let storage = open(&self.settings)?;
        let read = storage.store.history(&self.settings.service, filter);
        found(read.await)
    }

    /// Returns at most `limit` entries of this service that match the filter, oldest first,
    /// beginning after the entry with the [`seq`](Entry::seq) `after`. Pass 0 for the first page,
    /// then the `seq` of the last entry of the previous page. An empty page is the end. Only reads.
    ///
    /// Entries that are appended meanwhile are on a later page. With
    /// [`latest_only`](HistoryFilter::latest_only), a change that gets a new entry meanwhile can be
    /// on two pages.
    ///
    /// ```
    /// # use flamingock::{MemoryStore, Runner, audit::HistoryFilter, change, changes};
    /// # #[change(id = "warm-cache", order = "0001", register = false)]
    /// # async fn warm_cache() {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flamingock::Error> {
    /// # let store = MemoryStore::new();
    /// # let runner = || Runner::new(&store).changes(changes![warm_cache]);
    /// # runner().run().await?;
    /// let runner = runner();
    /// let (mut after, mut count) = (0, 0);
    /// loop {
    ///     let page = runner.history_page(&HistoryFilter::default(), after, 500).await?;
    ///     let Some(last) = page.last() else { break };
    ///     (after, count) = (last.seq, count + page.len());
    /// }
    /// assert_eq!(count, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The same as [`history`](Self::history).
    pub async fn history_page(
        &self,
        filter: &HistoryFilter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let storage = open(&self.settings)?;
        let (store, service) = (&storage.store, &self.settings.service);
        found(store.page(service, filter, after, limit).await)
    }

    /// Returns the state of this service's lock: its owner, or its last owner if it is free. `None`
    /// if the lock was never taken. Only reads.
    ///
    /// # Errors
    /// Any error while the lock is read.
    pub async fn lock_status(&self) -> Result<Option<LockStatus>, Error> {
        let storage = open(&self.settings)?;
        let snapshot = storage.store.snapshot(&self.settings.service, "").await;
        let lock = snapshot.map_err(Error::store)?.lock;
        // The row exists before the lock is first taken.
        Ok(lock.filter(|lock| lock.fencing_token > 0))
    }

    /// Returns the locks of the changes in the background of this service, one for each that ever
    /// began. Only reads.
    ///
    /// # Errors
    /// Any error while the locks are read.
    pub async fn lanes(&self) -> Result<Vec<LockStatus>, Error> {
        let storage = open(&self.settings)?;
        let lanes = storage.store.lanes(&self.settings.service).await;
        lanes.map_err(Error::store)
    }

    /// Returns how far the changes in batches of this service are, by id: beside the audit, and in
    /// the databases of the target systems. Only reads.
    ///
    /// # Errors
    /// Any error while one of these databases is read.
    pub async fn progress(&self) -> Result<Vec<ChangeProgress>, Error> {
        let storage = open(&self.settings)?;
        let read = engine::progress::progress(&self.settings, &*storage.store).await;
        read.map_err(Error::store)
    }

    /// Returns the rows that a change in batches could not do, and that the next run does again. Only
    /// reads.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) for a change that has no progress.
    /// - Any error while one of the databases is read.
    pub async fn failed_rows(&self, change_id: &str) -> Result<Vec<FailedRow>, Error> {
        let progress = self.progress().await?;
        let known = progress.iter().map(|one| &*one.change_id);
        let unknown = || {
            invalid(&format!(
                "no change {change_id:?} works in batches{}",
                did_you_mean(change_id, known)
            ))
        };
        let one = progress.iter().find(|one| one.change_id == change_id);
        one.map(|one| one.failed_rows.clone()).ok_or_else(unknown)
    }
}

/// Replaces the error about missing tables by an empty history.
fn found(read: Result<Vec<Entry>, StoreError>) -> Result<Vec<Entry>, Error> {
    match read {
        Err(error) if error.kind == StoreErrorKind::MissingTable => Ok(Vec::new()),
        entries => entries.map_err(Error::store),
    }
}
