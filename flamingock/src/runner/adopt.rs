//! Adopting the history of another tool: on request, and before the first change of a run.

use crate::adopt::histories::{append, database};
use std::sync::Arc;

use super::builder::Runner;
use crate::adopt::Adopted;
use crate::adopt::adoption::Adoption;
use crate::adopt::taking::prepare;
use crate::engine;
use crate::engine::collect::open_storage as open;
use crate::report::error::Error;

impl Runner {
    /// Adopts the history of another tool: appends an entry with the origin `import` for every
    /// change that the tool has applied and that this service has no entry of. Only reads the
    /// tool's tables. Takes the lock, and appends either all entries or none. A second call appends
    /// nothing.
    ///
    /// # Errors
    /// - [`LockTimeout`](crate::ErrorKind) at once if a run of this service has the lock.
    /// - [`Invalid`](crate::ErrorKind) if the history is empty, has attempts that failed or did not
    ///   finish, or cannot be matched to the changes unambiguously, or if the tool is running.
    ///   Nothing is written.
    /// - Any error while the history is read or the audit is written.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all entries are appended or none, and the lock stays taken
    /// until its lease ends.
    pub async fn adopt(&self, adoption: &Adoption) -> Result<Adopted, Error> {
        let storage = open(&self.settings)?;
        engine::find_out_formats(&self.settings, Some(adoption)).await?;
        let pipeline = engine::pipeline_of(&self.settings)?;
        let targets = self.settings.targets.iter().chain([&storage.target]);
        let database = database(targets, &adoption.target)?;
        let facts = Arc::new(engine::facts(&self.settings));
        let service = &self.settings.service;
        // An unreadable audit is reported before the tool's history is read.
        let own = storage.store.snapshot(service, "").await;
        let own = own.map_err(Error::store)?.latest;
        // Problems of the history are reported before anything is created.
        prepare(adoption, database, &pipeline, &own, &facts).await?;
        self.make_ready(&storage).await?;
        let lease = self.take_lock(&storage).await?;
        let store = &*storage.store;
        let adopted = async {
            let own = store.snapshot(service, "").await.map_err(Error::store)?;
            let prepared = prepare(adoption, database, &pipeline, &own.latest, &facts).await?;
            append(store, lease.grant(), &prepared.entries).await?;
            Ok(prepared.adopted)
        };
        let adopted = adopted.await;
        let released = lease.release(None).await;
        let adopted = adopted?;
        released.map_err(Error::store)?;
        Ok(adopted)
    }

    /// Returns what [`adopt`](Self::adopt) would do, with the reason for each change. Writes
    /// nothing, creates no tables and takes no lock.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) for everything that `adopt` would refuse, and any error while
    /// the history or the audit is read.
    pub async fn plan_adoption(&self, adoption: &Adoption) -> Result<Adopted, Error> {
        let storage = open(&self.settings)?;
        engine::find_out_formats(&self.settings, Some(adoption)).await?;
        let pipeline = engine::pipeline_of(&self.settings)?;
        let targets = self.settings.targets.iter().chain([&storage.target]);
        let database = database(targets, &adoption.target)?;
        let facts = Arc::new(engine::facts(&self.settings));
        let own = storage.store.snapshot(&self.settings.service, "").await;
        let own = own.map_err(Error::store)?;
        let prepared = prepare(adoption, database, &pipeline, &own.latest, &facts).await?;
        Ok(prepared.adopted)
    }

    /// Adopts the history of another tool inside [`run`](Self::run), under the lock and before the
    /// first change, so that a fleet can switch tools in one deployment. It does so only while this
    /// service has no entry at all, so the call can stay in the code. Several adoptions are carried
    /// out together.
    ///
    /// A run fails before its first change if the history has a migration that maps to no change of
    /// this application, unless the adoption [allows it](Adoption::allow_unmapped).
    /// [`plan`](Self::plan), and a run in a mode that only checks or plans, reads the history and
    /// shows the changes that would be adopted as applied.
    ///
    /// ```no_run
    /// # async fn main_of(pool: flamingock::sqlx::SqlitePool) -> Result<(), flamingock::Error> {
    /// use flamingock::Runner;
    /// use flamingock::adopt::{Adoption, Tool};
    ///
    /// Runner::new(&pool)
    ///     .adopt_first(Adoption::of(Tool::Sqlx).allow_empty())
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn adopt_first(mut self, adoption: Adoption) -> Runner {
        self.settings.adoptions.push(adoption);
        self
    }
}
