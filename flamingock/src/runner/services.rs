//! The services of a database: the state of their locks and the counts of their changes.

use super::builder::Runner;
use crate::audit::store::whole_snapshot;
use crate::audit::store_error::StoreErrorKind;
use crate::engine::collect::open_storage as open;
use crate::report::error::Error;
use crate::report::services::ServiceStatus;

impl Runner {
    /// Returns all services of the runner's database, by name, including those of other
    /// applications: the state of their locks, and counts of the changes that were ever attempted.
    /// Everything comes from the audit: the pending changes and `#[verify]` functions of other
    /// applications are unknown. Only reads: two statements, and one more for each further service.
    /// Returns no services if the tables do not exist.
    ///
    /// # Errors
    /// Any error while the audit is read.
    pub async fn services(&self) -> Result<Vec<ServiceStatus>, Error> {
        let store = open(&self.settings)?.store;
        let names = match store.services().await {
            Err(error) if error.kind == StoreErrorKind::MissingTable => Vec::new(),
            names => names.map_err(Error::store)?,
        };
        let mut services = Vec::with_capacity(names.len());
        for name in names {
            let snapshot = whole_snapshot(&*store, &name).await;
            let snapshot = snapshot.map_err(Error::store)?;
            services.push(ServiceStatus::of(name, snapshot));
        }
        Ok(services)
    }
}
