//! `Runner::adopt_from_service`: an application that is given a name, or another one.

use crate::audit::{NewEntry, Newest, Origin, Possession, State};
use crate::engine;
use crate::error::Error;
use crate::operate::{Resolution, invalid, open};
use crate::pipeline::Pipeline;
use crate::plan::is_applied;
use crate::runner::Runner;
use crate::storage::Storage;

impl Runner {
    /// Takes over what another service of the same database has applied of this binary's changes:
    /// appends an entry by the origin `import` for each, and leaves the other service's entries as
    /// they are. For an application that is given a name after it has run without one:
    /// `adopt_from_service("default")`. Answers how many changes were taken over; nothing is
    /// written for those that this service knows already.
    ///
    /// # Errors
    /// [`Error::LockTimeout`] at once while a run of this service has the lock; [`Error::Invalid`]
    /// if the other service has applied nothing; whatever keeps the audit from being read or
    /// written.
    pub async fn adopt_from_service(&self, from: &str) -> Result<usize, Error> {
        let storage = open(&self.settings)?;
        let store = &storage.store;
        let theirs = store.snapshot(from, "").await.map_err(Error::store)?;
        let applied: Vec<Newest> = theirs
            .newest
            .into_iter()
            .filter(|newest| is_applied(&newest.state))
            .collect();
        if applied.is_empty() {
            return Err(invalid(&format!(
                "the service \"{from}\" has applied nothing in this database: there is nothing to take over"
            )));
        }
        store
            .register(&self.settings.service)
            .await
            .map_err(Error::store)?;
        let possession = self.possess(&storage).await?;
        let adopted = self
            .append_theirs(&storage, &possession, applied, from)
            .await;
        let released = store.release(&possession, None).await;
        let adopted = adopted?;
        released.map_err(Error::store)?;
        Ok(adopted)
    }

    async fn append_theirs(
        &self,
        storage: &Storage,
        possession: &Possession,
        mut applied: Vec<Newest>,
        from: &str,
    ) -> Result<usize, Error> {
        let ours = storage.store.snapshot(&self.settings.service, "").await;
        let ours = ours.map_err(Error::store)?;
        applied.retain(|theirs| {
            ours.newest
                .iter()
                .all(|own| own.change_id != theirs.change_id)
        });
        applied.sort_by_key(|newest| newest.seq);
        let pipeline = engine::pipeline_of(&self.settings).ok();
        // The other service may be several applications that nobody has named.
        if let Some(pipeline) = &pipeline {
            let has = |id: &str| pipeline.changes().any(|change| change.id == id);
            applied.retain(|theirs| has(&theirs.change_id));
        }
        let entries: Vec<NewEntry> = applied
            .iter()
            .map(|newest| {
                let find = |pipeline: &Pipeline| {
                    pipeline
                        .changes()
                        .find(|change| change.id == newest.change_id)
                };
                let definition = pipeline.as_ref().and_then(find);
                let reason = format!("taken over from the service \"{from}\"");
                let settled = self.entry(newest, definition, Resolution::Applied, &reason);
                NewEntry {
                    state: State::Applied,
                    origin: Origin::Import,
                    ..settled
                }
            })
            .collect();
        if !entries.is_empty() {
            let appended = storage.store.append(possession, &entries).await;
            appended.map_err(Error::store)?;
        }
        Ok(entries.len())
    }
}
