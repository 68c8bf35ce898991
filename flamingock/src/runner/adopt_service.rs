//! Adopting the changes that another service of the same database has applied, for an application
//! that gets a name or changes it.

use super::builder::Runner;
use crate::audit::entry::{LatestEntry, NewEntry, Origin, State};
use crate::audit::grant::LockGrant;
use crate::audit::snapshot::Snapshot;
use crate::audit::store::whole_snapshot;
use crate::change::names;
use crate::engine;
use crate::engine::collect::open_storage as open;
use crate::lock::lease::Lease;
use crate::plan::pipeline::Pipeline;
use crate::plan::step::is_applied;
use crate::report::error::Error;
use crate::report::error::invalid;
use crate::report::issue::Resolution;
use crate::target::storage::Storage;

impl Runner {
    /// Adopts changes of this binary that another service of the same database has applied. Appends
    /// an entry with the origin `import` for each, and leaves the other service's entries as they
    /// are. Use it for an application that gets a name after it has run without one:
    /// `adopt_from_service("default")`.
    ///
    /// Returns the number of adopted changes. A change that this service has an entry of already is
    /// left out. Holds the locks of both services meanwhile, so that neither of them applies
    /// anything.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) if the other service has applied nothing, if a run of it has
    ///   its lock, or if one of these changes is neither applied nor rolled back there: resolve it
    ///   in the other service first. Nothing is written.
    /// - [`LockTimeout`](crate::ErrorKind) at once if a run of this service has the lock.
    /// - Any error while the audit is read or written.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all entries are appended or none, and the locks of both
    /// services stay taken until their leases end.
    pub async fn adopt_from_service(&self, from: &str) -> Result<usize, Error> {
        let storage = open(&self.settings)?;
        let own = &self.settings.service;
        if let Some(problem) = names::problem("service", from) {
            return Err(invalid(&problem));
        }
        if from == own {
            return Err(invalid(&format!(
                "the service \"{from}\" is this application's own: there is nothing to adopt"
            )));
        }
        let store = &storage.store;
        let theirs = whole_snapshot(&**store, from).await.map_err(Error::store)?;
        if let Some(reason) = engine::at_work(&theirs, from) {
            return Err(invalid(&format!(
                "{reason}: nothing was adopted, since it may be applying changes. Try again when it has ended"
            )));
        }
        if !theirs.latest.iter().any(|latest| is_applied(&latest.state)) {
            self.refuse_open(&theirs, from)?;
            return Err(invalid(&format!(
                "the service \"{from}\" has applied nothing in this database: there is nothing to adopt"
            )));
        }
        self.refuse_open(&theirs, from)?;
        for service in [from, own] {
            store.register(service).await.map_err(Error::store)?;
        }
        let Some(other) = self.lock_of(&storage, from).await? else {
            return Err(invalid(&format!(
                "a run of the service \"{from}\" has just taken its lock: nothing was adopted. Try again when it has ended"
            )));
        };
        let adopted = self.adopt_under_both(&storage, from).await;
        let released = other.release(None).await;
        let adopted = adopted?;
        released.map_err(Error::store)?;
        Ok(adopted)
    }

    /// Adopts the changes; the caller holds the other service's lock.
    async fn adopt_under_both(&self, storage: &Storage, from: &str) -> Result<usize, Error> {
        let store = &storage.store;
        let theirs = whole_snapshot(&**store, from).await.map_err(Error::store)?;
        if let Some(lane) = theirs.lanes.iter().find(|lane| lane.held) {
            return Err(invalid(&format!(
                "the service \"{from}\" works in the background, by {lane}: nothing was adopted. Try again when it has ended"
            )));
        }
        self.refuse_open(&theirs, from)?;
        let lease = self.take_lock(storage).await?;
        let adopted = self
            .append_theirs(storage, lease.grant(), theirs.latest, from)
            .await;
        let released = lease.release(None).await;
        let adopted = adopted?;
        released.map_err(Error::store)?;
        Ok(adopted)
    }

    /// Acquires the lock of a service. Returns `None` if another run has it.
    async fn lock_of(&self, storage: &Storage, service: &str) -> Result<Option<Lease>, Error> {
        let mut claim = self.claim(None);
        service.clone_into(&mut claim.service);
        self.take(storage, &claim).await
    }

    /// Reports whether this binary has a change. Without a pipeline that is unknown, so every
    /// change counts as its own.
    fn has(pipeline: Option<&Pipeline>, id: &str) -> bool {
        pipeline.is_none_or(|pipeline| pipeline.changes().any(|change| change.id == id))
    }

    /// Refuses to adopt while a change needs a resolution: the operator's decision would be
    /// recorded in a service that no longer has the change.
    fn refuse_open(&self, theirs: &Snapshot, from: &str) -> Result<(), Error> {
        let pipeline = engine::pipeline_of(&self.settings).ok();
        let ours: Vec<&LatestEntry> = theirs
            .latest
            .iter()
            .filter(|latest| Self::has(pipeline.as_ref(), &latest.change_id))
            .collect();
        match engine::open(&ours) {
            None => Ok(()),
            Some(open) => Err(invalid(&format!(
                "the service \"{from}\" has what is neither applied nor rolled back: {open}. Nothing was adopted. Resolve it in \"{from}\" first, and adopt then"
            ))),
        }
    }

    async fn append_theirs(
        &self,
        storage: &Storage,
        grant: &LockGrant,
        theirs: Vec<LatestEntry>,
        from: &str,
    ) -> Result<usize, Error> {
        let ours = storage.store.snapshot(&self.settings.service, "").await;
        let ours = ours.map_err(Error::store)?;
        let mut applied: Vec<LatestEntry> = theirs
            .into_iter()
            .filter(|latest| is_applied(&latest.state))
            .collect();
        applied.retain(|theirs| {
            ours.latest
                .iter()
                .all(|own| own.change_id != theirs.change_id)
        });
        applied.sort_by_key(|latest| latest.seq);
        let pipeline = engine::pipeline_of(&self.settings).ok();
        // The other service may stand for several applications that have no name yet, so only the
        // changes of this binary are adopted.
        applied.retain(|theirs| Self::has(pipeline.as_ref(), &theirs.change_id));
        let entries: Vec<NewEntry> = applied
            .iter()
            .map(|latest| {
                let find = |pipeline: &Pipeline| {
                    pipeline
                        .changes()
                        .find(|change| change.id == latest.change_id)
                };
                let definition = pipeline.as_ref().and_then(find);
                let reason = format!("adopted from the service \"{from}\"");
                let resolved = self.entry(latest, definition, Resolution::Applied, &reason);
                NewEntry {
                    state: State::Applied,
                    origin: Origin::Import,
                    ..resolved
                }
            })
            .collect();
        if !entries.is_empty() {
            let appended = storage.store.append(grant, &entries).await;
            appended.map_err(Error::store)?;
        }
        Ok(entries.len())
    }
}
