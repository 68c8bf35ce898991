//! The status of the services of a database.

use std::time::SystemTime;

use serde::Serialize;

use crate::audit::entry::{LatestEntry, Origin, State};
use crate::audit::snapshot::{LockStatus, Snapshot};
use crate::plan::decision::{Decision, decide};
use crate::plan::step::{found_out, recorded, recorded_code};
use crate::util::time;

/// The status of one service of a database, from its audit and its lock. Every change that was ever
/// attempted is counted once.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// The service.
    pub service: String,
    /// The state of its lock: the owner, or the last owner. `None` if the lock was never taken.
    pub lock: Option<LockStatus>,
    /// The number of applied changes.
    pub applied: usize,
    /// The number of changes that were rolled back or undone. They are pending for an application
    /// that still has them.
    pub rolled_back: usize,
    /// The number of changes that the run with the lock is working on.
    pub running: usize,
    /// The number of changes whose last attempt failed or was interrupted, and which the next run
    /// handles.
    pub failed: usize,
    /// The number of changes that need manual resolution according to the audit. Only the
    /// application knows whether it has a `#[verify]` function that resolves them.
    pub issues: usize,
    /// The run that appended the latest entry. `None` without entries.
    pub last_run: Option<LastRun>,
}

/// The run that appended a service's latest entry. A run that found nothing to do appends none.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LastRun {
    /// The id of the run.
    pub run_id: String,
    /// The origin of that entry.
    pub origin: Origin,
    /// When the attempt of that entry began, by the database's clock.
    #[serde(serialize_with = "time::serialize")]
    pub started_at: SystemTime,
}

impl ServiceStatus {
    pub(crate) fn of(service: String, snapshot: Snapshot) -> ServiceStatus {
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
        for latest in &snapshot.latest {
            *status.count_of(latest, snapshot.is_running(latest)) += 1;
        }
        let last = snapshot.latest.iter().max_by_key(|latest| latest.seq);
        status.last_run = last.map(|latest| LastRun {
            run_id: latest.run_id.clone(),
            origin: latest.origin.clone(),
            started_at: latest.started_at,
        });
        // A lock that was never taken: the row exists only because the statements of `schema`
        // create it.
        status.lock = snapshot.lock.filter(|lock| lock.fencing_token > 0);
        status
    }

    fn count_of(&mut self, latest: &LatestEntry, running: bool) -> &mut usize {
        let undone = matches!(latest.state, State::RolledBack | State::MarkedRolledBack);
        match decide(
            Some(&recorded(latest, &latest.digest)),
            recorded_code(latest),
        ) {
            _ if running => &mut self.running,
            Decision::Skip | Decision::Again => &mut self.applied,
            Decision::Apply if undone => &mut self.rolled_back,
            Decision::Issue(_) => &mut self.issues,
            // The last run did not get an answer either.
            Decision::Verify(_) | Decision::Resolve if found_out(latest).is_some() => {
                &mut self.issues
            }
            Decision::Apply
            | Decision::Verify(_)
            | Decision::Resolve
            | Decision::Filtered
            | Decision::Later(_)
            | Decision::Waits(_) => &mut self.failed,
        }
    }
}
