//! The request for a lock, and the grant that a store returns.

use std::time::Duration;

/// A request to acquire the lock.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AcquireRequest {
    /// The service.
    pub service: String,
    /// The random id of the run.
    pub run_id: String,
    /// A description of the owner for people.
    pub owner: String,
    /// The length of the lease, measured by the store.
    pub lease: Duration,
    /// Takes the lock from the live owner with this fencing token, and only from that owner: not
    /// from one that came after it, and not if the lock is free. `None` acquires the lock only if
    /// it is free or its lease has ended.
    pub force: Option<i64>,
}

/// One acquisition of a service's lock, identified by its fencing token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockGrant {
    /// The service.
    pub service: String,
    /// The fencing token: it grows with each acquisition.
    pub fencing_token: i64,
    /// The random id of the run that acquired the lock.
    pub run_id: String,
}

impl LockGrant {
    /// Returns the grant of an acquisition that succeeded.
    pub fn new(request: &AcquireRequest, fencing_token: i64) -> LockGrant {
        LockGrant {
            service: request.service.clone(),
            fencing_token,
            run_id: request.run_id.clone(),
        }
    }
}
