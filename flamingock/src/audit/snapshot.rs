//! What a run reads of the audit and the lock before it decides.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use super::entry::{LatestEntry, State};
use crate::util::time;
use crate::util::visible::Visible;

/// One owner's hold on a service's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockGrant {
    /// The service.
    pub service: String,
    /// The fencing token.
    pub fencing_token: i64,
    /// The random id of the run that has it.
    pub run_id: String,
}

/// Who has a service's lock, or had it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockStatus {
    /// The fencing token of the latest owner.
    pub fencing_token: i64,
    /// The run that has it; none once it was given back.
    pub run_id: Option<String>,
    /// The owner, for people.
    pub owner: String,
    /// When it was obtained, by the clock of the database.
    #[serde(serialize_with = "time::serialize")]
    pub acquired_at: SystemTime,
    /// When its lease ends, unless it is renewed; none where it ends with the process.
    #[serde(serialize_with = "time::serialize_if_any")]
    pub expires_at: Option<SystemTime>,
    /// What the owner is doing.
    pub activity: Option<String>,
    /// Whether the lease is live.
    pub held: bool,
}

/// The owner, for people.
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

/// What a start reads, in one statement.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The lock; none for a service that was never seen.
    pub lock: Option<LockStatus>,
    /// Whether the last run ended with exactly the asked pipeline applied: nothing else was read.
    pub up_to_date: bool,
    /// The newest entry of each change, unless up to date. Entries about no change, whose id is
    /// empty, are not among them.
    pub newest: Vec<LatestEntry>,
    /// Whether the tables are there.
    pub tables: bool,
}

/// What a waiter reads at each poll while another run has the lock.
#[derive(Clone, Debug)]
pub struct LockProgress {
    /// The lock.
    pub lock: LockStatus,
    /// Whether the last run ended with exactly the asked pipeline applied.
    pub up_to_date: bool,
    /// The place of the newest entry of all services.
    pub newest: i64,
    /// How many entries behind the given place say that a change is applied.
    pub applied: usize,
}

impl LockProgress {
    /// The place of the newest entry, if some owner's lease is live.
    pub(crate) fn at_work(self) -> Option<i64> {
        self.lock.held.then_some(self.newest)
    }

    /// The snapshot, if the progress tells all of it.
    pub(crate) fn whole(self) -> Option<Snapshot> {
        self.up_to_date.then_some(Snapshot {
            lock: Some(self.lock),
            up_to_date: true,
            newest: Vec::new(),
            tables: true,
        })
    }
}

impl Snapshot {
    /// Whether some owner's lease is live.
    pub fn is_held(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.held)
    }

    /// Whether the run that has the lock is at work at the change of this entry. Entries of other
    /// runs are no concern of that run's lease: what they left is theirs.
    pub fn is_running(&self, newest: &LatestEntry) -> bool {
        let unfinished = matches!(newest.state, State::Started | State::Failed);
        let lock = self.lock.as_ref().filter(|lock| lock.held);
        unfinished && lock.is_some_and(|lock| lock.run_id.as_ref() == Some(&newest.run_id))
    }
}
