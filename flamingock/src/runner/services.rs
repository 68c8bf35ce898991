//! All services of a database, as the audit and the lock have them.

use std::time::SystemTime;

use serde::Serialize;

use super::builder::Runner;
use crate::audit::entry::{LatestEntry, Origin, State};
use crate::audit::snapshot::{LockStatus, Snapshot};
use crate::audit::store_error::StoreErrorKind;
use crate::engine::collect::open_storage as open;
use crate::plan::decision::{Decision, decide};
use crate::plan::steps::{found_out, recorded, recorded_code};
use crate::report::error::Error;
use crate::util::time;

/// A service of a database, as the audit and the lock have it. Every change that was ever tried
/// counts once.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// The service.
    pub service: String,
    /// Who has its lock, or had it last; none if nobody ever had.
    pub lock: Option<LockStatus>,
    /// Changes that are applied.
    pub applied: usize,
    /// Changes that were taken back: pending for an application that still has them.
    pub rolled_back: usize,
    /// Changes that the run with the lock is working at.
    pub running: usize,
    /// Changes of which the last attempt failed or was not seen to end, and with which the next run
    /// goes on.
    pub failed: usize,
    /// Changes that need manual resolution, as far as the audit tells: only the application knows whether it
    /// has a `#[verify]` function that settles them.
    pub issues: usize,
    /// The run that has appended the newest entry; none without entries.
    pub last_run: Option<LastRun>,
}

/// The run that has appended a service's newest entry. One that found nothing to do appends none.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LastRun {
    /// Its id.
    pub run_id: String,
    /// What it was.
    pub origin: Origin,
    /// When the attempt of that entry began, by the clock of the database.
    #[serde(serialize_with = "time::serialize")]
    pub started_at: SystemTime,
}

impl ServiceStatus {
    fn of(service: String, snapshot: Snapshot) -> ServiceStatus {
        let mut status = ServiceStatus {
            service,
            lock: None,
            applied: 0,
            rolled_back: 0,
            running: 0,
            failed: 0,
            issues: 0,
            last_run: None,
        };
        for newest in &snapshot.newest {
            *status.count_of(newest, snapshot.is_running(newest)) += 1;
        }
        let last = snapshot.newest.iter().max_by_key(|newest| newest.seq);
        status.last_run = last.map(|newest| LastRun {
            run_id: newest.run_id.clone(),
            origin: newest.origin.clone(),
            started_at: newest.started_at,
        });
        // The row of a service that only the statements of `schema` have made says nothing.
        status.lock = snapshot.lock.filter(|lock| lock.fencing_token > 0);
        status
    }

    fn count_of(&mut self, newest: &LatestEntry, running: bool) -> &mut usize {
        let undone = matches!(newest.state, State::RolledBack | State::MarkedRolledBack);
        match decide(
            Some(&recorded(newest, &newest.digest)),
            recorded_code(newest),
        ) {
            _ if running => &mut self.running,
            Decision::Skip | Decision::Again => &mut self.applied,
            Decision::Apply if undone => &mut self.rolled_back,
            Decision::Issue(_) => &mut self.issues,
            // The last run could not settle it either.
            Decision::Verify(_) | Decision::Resolve if found_out(newest).is_some() => {
                &mut self.issues
            }
            Decision::Apply | Decision::Verify(_) | Decision::Resolve | Decision::Filtered => {
                &mut self.failed
            }
        }
    }
}

impl Runner {
    /// All services of the runner's database, by name, whatever the runner's own is: who has the
    /// lock, and how the changes stand that were ever tried. From the audit alone: neither what is
    /// pending nor which `#[verify]` functions there are is known of other applications. Reads only,
    /// two statements and one more for each further service.
    ///
    /// # Errors
    /// Whatever keeps the audit from being read; without tables there are no services.
    pub async fn services(&self) -> Result<Vec<ServiceStatus>, Error> {
        let store = open(&self.settings)?.store;
        let names = match store.services().await {
            Err(error) if error.kind == StoreErrorKind::MissingTable => Vec::new(),
            names => names.map_err(Error::store)?,
        };
        let mut services = Vec::with_capacity(names.len());
        for name in names {
            let snapshot = store.snapshot(&name, "").await.map_err(Error::store)?;
            services.push(ServiceStatus::of(name, snapshot));
        }
        Ok(services)
    }
}
