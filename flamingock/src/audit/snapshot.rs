//! The state of the audit and the lock that a run reads before it decides.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::entry::{LatestEntry, State};
use super::grant::{AcquireRequest, background_lane};
use crate::util::time;
use crate::util::visible::Visible;

/// The state of a service's lock: its owner, or its last owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LockStatus {
    /// The lane: `startup`, or `background:` and the id of a change.
    pub lane: String,
    /// The fencing token of the current or last owner.
    pub fencing_token: i64,
    /// The id of the owner's run; `None` once the lock was released.
    pub run_id: Option<String>,
    /// A description of the owner for people.
    pub owner: String,
    /// When the lock was acquired, by the database's clock.
    #[serde(
        serialize_with = "time::serialize",
        deserialize_with = "time::deserialize"
    )]
    pub acquired_at: SystemTime,
    /// When the lease ends unless it is renewed; `None` if it ends with the owner's process.
    #[serde(
        serialize_with = "time::serialize_if_any",
        deserialize_with = "time::deserialize_if_any",
        default
    )]
    pub expires_at: Option<SystemTime>,
    /// What the owner is working on.
    pub activity: Option<String>,
    /// Whether the lock has an owner whose lease has not ended.
    pub held: bool,
}

impl LockStatus {
    /// Returns the state of a lock that was just acquired, with a lease that ends with the owner's
    /// process until `expires_at` is set.
    pub fn new(
        request: &AcquireRequest,
        fencing_token: i64,
        acquired_at: SystemTime,
    ) -> LockStatus {
        LockStatus {
            lane: request.lane.clone(),
            fencing_token,
            run_id: Some(request.run_id.clone()),
            owner: request.owner.clone(),
            acquired_at,
            expires_at: None,
            activity: None,
            held: true,
        }
    }
}

/// Writes the owner, the times of the lease, and the owner's activity.
impl fmt::Display for LockStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = time::text(self.acquired_at);
        write!(f, "{} since {since}", Visible(&self.owner))?;
        match self.expires_at {
            Some(expires) => write!(f, ", until {} unless renewed", time::text(expires))?,
            None => f.write_str(", as long as its process lives")?,
        }
        match &self.activity {
            Some(activity) => write!(f, ", now at {}", Visible(activity)),
            None => Ok(()),
        }
    }
}

/// The state that a run reads first, in one statement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The lock; `None` for a service that is not known.
    pub lock: Option<LockStatus>,
    /// Whether the last run ended with exactly this pipeline applied. In that case no entries are
    /// read.
    pub up_to_date: bool,
    /// The latest entry of each change, unless up to date. Entries that concern no change are not
    /// included.
    pub latest: Vec<LatestEntry>,
    /// Whether the tables exist.
    pub tables: bool,
    /// Whether the service has a lane for a change in the background, unless up to date.
    pub has_lanes: bool,
    /// The locks of these lanes, once they were read.
    #[serde(skip)]
    pub(crate) lanes: Vec<LockStatus>,
}

/// The state that a waiter reads at each poll while another run has the lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LockProgress {
    /// The lock.
    pub lock: LockStatus,
    /// Whether the last run ended with exactly this pipeline applied.
    pub up_to_date: bool,
    /// The position of the latest entry of all services.
    pub latest: i64,
    /// The number of entries after the requested position that record a change as applied.
    pub applied: usize,
}

impl LockProgress {
    /// Returns the progress of a lock: see the fields.
    pub fn new(lock: LockStatus, up_to_date: bool, latest: i64, applied: usize) -> LockProgress {
        LockProgress {
            lock,
            up_to_date,
            latest,
            applied,
        }
    }

    /// Returns the position of the latest entry, if the lock has an owner.
    pub(crate) fn at_work(self) -> Option<i64> {
        self.lock.held.then_some(self.latest)
    }

    /// Returns a whole snapshot, if the service is up to date and needs no entries.
    pub(crate) fn whole(self) -> Option<Snapshot> {
        self.up_to_date.then_some(Snapshot {
            lock: Some(self.lock),
            up_to_date: true,
            latest: Vec::new(),
            tables: true,
            has_lanes: false,
            lanes: Vec::new(),
        })
    }
}

impl Snapshot {
    /// Reports whether the lock has an owner whose lease has not ended.
    pub fn is_held(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.held)
    }

    /// Returns the largest fencing token of the service's lanes that were read.
    pub(crate) fn floor(&self) -> i64 {
        let locks = self.lock.iter().chain(&self.lanes);
        locks.map(|lock| lock.fencing_token).max().unwrap_or(0)
    }

    /// Returns the lock of a change in the background, if it has an owner whose lease has not ended.
    pub(crate) fn in_background(&self, change_id: &str) -> Option<&LockStatus> {
        if self.lanes.is_empty() {
            return None;
        }
        let lane = background_lane(change_id);
        let mut held = self.lanes.iter().filter(|lock| lock.held);
        held.find(|lock| lock.lane == lane)
    }

    /// Reports whether the run that has the lock, or that of the change's lane, is working on the
    /// change of this entry. An unfinished entry of an earlier run is interrupted.
    pub fn is_running(&self, latest: &LatestEntry) -> bool {
        let unfinished = matches!(latest.state, State::Started | State::Failed);
        let lock = self.lock.as_ref().filter(|lock| lock.held);
        let is_owner = |lock: &LockStatus| lock.run_id.as_ref() == Some(&latest.run_id);
        unfinished
            && (lock.is_some_and(is_owner)
                || self.in_background(&latest.change_id).is_some_and(is_owner))
    }
}
