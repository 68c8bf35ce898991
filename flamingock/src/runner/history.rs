//! Reading the audit, as a whole or page by page.

use super::builder::Runner;
use crate::audit::entry::Entry;
use crate::audit::store::HistoryFilter;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::engine::collect::open_storage as open;
use crate::report::error::Error;

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
}

/// Replaces the error about missing tables by an empty history.
fn found(read: Result<Vec<Entry>, StoreError>) -> Result<Vec<Entry>, Error> {
    match read {
        Err(error) if error.kind == StoreErrorKind::MissingTable => Ok(Vec::new()),
        entries => entries.map_err(Error::store),
    }
}
