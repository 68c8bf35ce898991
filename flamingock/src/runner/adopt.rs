//! `Runner::adopt` and `Runner::adopt_first`.

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
    /// Takes over the history of another tool: appends an entry, by the origin `import`, for every
    /// change that the tool has applied and this service has no entry of. Reads the tool's tables
    /// and writes to none of them. All or nothing, under the lock; a second time changes nothing.
    ///
    /// # Errors
    /// [`LockTimeout`](crate::ErrorKind) at once while a run of this service has the lock; [`Invalid`](crate::ErrorKind),
    /// and nothing is written, if the history is empty, has attempts that failed or did not end, if
    /// the tool is at work, or if it is not clear which change is which; whatever keeps the history
    /// from being read or the audit from being written.
    pub async fn adopt(&self, adoption: &Adoption) -> Result<Adopted, Error> {
        let storage = open(&self.settings)?;
        engine::find_out_formats(&self.settings, Some(adoption)).await?;
        let pipeline = engine::pipeline_of(&self.settings)?;
        let targets = self.settings.targets.iter().chain([&storage.target]);
        let database = database(targets, &adoption.target)?;
        let facts = Arc::new(engine::facts(&self.settings));
        let service = &self.settings.service;
        // A history that is not seen here is said before that of the tool is read.
        let own = storage.store.snapshot(service, "").await;
        let own = own.map_err(Error::store)?.newest;
        // What is wrong with the history is said before anything is created.
        prepare(adoption, database, &pipeline, &own, &facts).await?;
        self.make_ready(&storage).await?;
        let lease = self.take_lock(&storage).await?;
        let store = &*storage.store;
        let adopted = async {
            let own = store.snapshot(service, "").await.map_err(Error::store)?;
            let prepared = prepare(adoption, database, &pipeline, &own.newest, &facts).await?;
            append(store, lease.grant(), &prepared.entries).await?;
            Ok(prepared.adopted)
        };
        let adopted = adopted.await;
        let released = lease.release(None).await;
        let adopted = adopted?;
        released.map_err(Error::store)?;
        Ok(adopted)
    }

    /// Returns what [`adopt`](Self::adopt) would do, with the reason for each change, and writes nothing:
    /// it creates no tables and takes no lock.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) for what `adopt` would refuse; whatever keeps the history or the audit from being
    /// read.
    pub async fn plan_adoption(&self, adoption: &Adoption) -> Result<Adopted, Error> {
        let storage = open(&self.settings)?;
        engine::find_out_formats(&self.settings, Some(adoption)).await?;
        let pipeline = engine::pipeline_of(&self.settings)?;
        let targets = self.settings.targets.iter().chain([&storage.target]);
        let database = database(targets, &adoption.target)?;
        let facts = Arc::new(engine::facts(&self.settings));
        let own = storage.store.snapshot(&self.settings.service, "").await;
        let own = own.map_err(Error::store)?;
        let prepared = prepare(adoption, database, &pipeline, &own.newest, &facts).await?;
        Ok(prepared.adopted)
    }

    /// Takes over the history of another tool inside [`run`](Self::run), under the lock and before the
    /// first change: for fleets that switch tools in one deployment. It does so only as long as this
    /// service has no entry at all, so it may stay in the code; several are taken over together.
    ///
    /// What the history has and what maps to no change here keeps the run from starting, unless the
    /// adoption [allows it](Adoption::allow_unmapped). A [`plan`](Self::plan), and a run that only
    /// checks or plans, reads the history and shows what would be taken over as applied.
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
