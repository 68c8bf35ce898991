//! The request for a lock, and the grant that a store returns.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::util::hash::Summary;
use crate::util::time;

/// The lane of the lock of the changes that run before an application serves requests.
pub const STARTUP: &str = "startup";

/// The beginning of the lanes of changes in the background.
pub(crate) const BACKGROUND: &str = "background:";

/// The number of characters of a lane that every database can store.
const LONGEST_LANE: usize = 64;

/// Returns the lane of a change in the background: `background:` and its id, of which a long one is
/// cut and followed by its digest.
pub(crate) fn background_lane(id: &str) -> String {
    let lane = format!("{BACKGROUND}{id}");
    if lane.chars().count() <= LONGEST_LANE {
        return lane;
    }
    let mut digest = Summary::new();
    digest.text(id);
    let digest: String = digest.finish().chars().rev().take(32).collect();
    let kept: String = lane.chars().take(LONGEST_LANE - 33).collect();
    format!("{kept}#{digest}")
}

/// A request to acquire the lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AcquireRequest {
    /// The service.
    pub service: String,
    /// The lane of the service's lock: [`STARTUP`] or that of a change in the background. Each has
    /// one owner at a time.
    pub lane: String,
    /// The random id of the run.
    pub run_id: String,
    /// A description of the owner for people.
    pub owner: String,
    /// The length of the lease, measured by the store.
    #[serde(rename = "lease_ms", with = "time::milliseconds")]
    pub lease: Duration,
    /// Takes the lock from the live owner with this fencing token, and only from that owner: not
    /// from one that came after it, and not if the lock is free. `None` acquires the lock only if
    /// it is free or its lease has ended.
    pub force: Option<i64>,
    /// A new fencing token is larger than this one: that of the service's other lanes, so that a
    /// change can move from one to another.
    pub floor: i64,
}

/// One acquisition of a service's lock, identified by its fencing token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LockGrant {
    /// The service.
    pub service: String,
    /// The lane of the service's lock.
    pub lane: String,
    /// The fencing token: it grows with each acquisition of the lane.
    pub fencing_token: i64,
    /// The random id of the run that acquired the lock.
    pub run_id: String,
}

impl LockGrant {
    /// Returns the grant of an acquisition that succeeded.
    pub fn new(request: &AcquireRequest, fencing_token: i64) -> LockGrant {
        LockGrant {
            service: request.service.clone(),
            lane: request.lane.clone(),
            fencing_token,
            run_id: request.run_id.clone(),
        }
    }
}
