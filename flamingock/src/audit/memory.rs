//! The store in memory, for unit tests of changes and for examples.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use super::change_progress::ChangeProgress;
use super::control::{ControlChange, ControlRequest, ProgressControl, ProgressState};
use super::entry::{Entry, LatestEntry, NewEntry};
use super::grant::AcquireRequest;
use super::grant::{LockGrant, STARTUP};
use super::progress::{BatchEnd, Progress, ProgressClaim};
use super::snapshot::{LockStatus, Snapshot};
use super::store::{Acquired, AuditStore, HistoryFilter, LeaseRenewer, LockStore};
use super::store_error::{StoreError, StoreErrorKind};

/// A store in the memory of this process. Its clones share their content, which is lost with the
/// last of them. It excludes concurrent runs like the other stores.
///
/// ```
/// use flamingock::audit::{HistoryFilter, State};
/// use flamingock::{MemoryStore, Runner, change, changes};
///
/// #[change(id = "warm-cache", order = "0001", register = false)]
/// async fn warm_cache() {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flamingock::Error> {
/// let store = MemoryStore::new();
/// let runner = || Runner::new(&store).changes(changes![warm_cache]);
/// runner().run().await?;
/// assert!(runner().run().await?.is_up_to_date());
///
/// let entries = runner().history(&HistoryFilter::default()).await?;
/// let states: Vec<&State> = entries.iter().map(|entry| &entry.state).collect();
/// assert_eq!(states, [&State::Started, &State::Applied]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    entries: Vec<Entry>,
    /// By service and lane.
    locks: HashMap<(String, String), Lock>,
    /// By service and change.
    progress: HashMap<(String, String), Saved>,
}

/// The progress of a change, and when it began and was saved.
#[derive(Clone, Debug)]
struct Saved {
    progress: Progress,
    control: ProgressControl,
    waits_for: Option<String>,
    attempt: u32,
    started_at: SystemTime,
    updated_at: SystemTime,
}

#[derive(Debug)]
struct Lock {
    row: LockStatus,
    pipeline_digest: Option<String>,
    ends: Instant,
}

impl Lock {
    fn is_held(&self) -> bool {
        self.row.run_id.is_some() && self.ends > Instant::now()
    }

    fn belongs_to(&self, grant: &LockGrant) -> bool {
        self.row.fencing_token == grant.fencing_token
            && self.row.run_id.as_ref() == Some(&grant.run_id)
    }
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a service's lock.
fn startup(service: &str) -> (String, String) {
    (service.to_owned(), STARTUP.to_owned())
}

/// The key of the lock of a grant.
fn place(grant: &LockGrant) -> (String, String) {
    (grant.service.clone(), grant.lane.clone())
}

/// Truncates to microseconds, the precision of the databases.
fn to_the_microsecond(time: SystemTime) -> SystemTime {
    let below = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() % 1000);
    time - Duration::from_nanos(below.into())
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let shared = self.shared();
        let lock = shared.locks.get(&startup(service));
        let up_to_date = lock.is_some_and(|lock| lock.pipeline_digest.as_deref() == Some(digest));
        let mut latest: HashMap<&str, LatestEntry> = HashMap::new();
        if !up_to_date {
            for entry in shared
                .entries
                .iter()
                .filter(|entry| entry.service == service && entry.is_of_a_change())
            {
                if let Some(id) = entry.change_id.as_deref() {
                    latest.insert(id, LatestEntry::from(entry));
                }
            }
        }
        Ok(Snapshot {
            lock: lock.map(|lock| LockStatus {
                held: lock.is_held(),
                ..lock.row.clone()
            }),
            up_to_date,
            latest: latest.into_values().collect(),
            tables: true,
            lanes: Vec::new(),
            has_lanes: shared
                .locks
                .keys()
                .any(|(of, lane)| of == service && lane != STARTUP),
        })
    }

    fn schema(&self, _service: &str) -> Option<String> {
        None
    }

    async fn create(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn register(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let mut shared = self.shared();
        let ours = shared.locks.get(&place(grant));
        if !ours.is_some_and(|lock| lock.belongs_to(grant)) {
            let source = "the lock has another owner";
            let action = "could not write to the audit";
            return Err(StoreError::new(StoreErrorKind::Refused, action, source));
        }
        let first = shared.entries.len();
        for (place, entry) in (first + 1..).zip(entries) {
            let now = SystemTime::now();
            let began = now
                .checked_sub(entry.duration.unwrap_or_default())
                .unwrap_or(now);
            let seq = i64::try_from(place).unwrap_or(i64::MAX);
            let times = [began, now].map(to_the_microsecond);
            shared.entries.push(Entry::new(seq, grant, times, entry));
        }
        Ok(i64::try_from(first + 1).unwrap_or(i64::MAX))
    }

    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError> {
        let mut shared = self.shared();
        let key = (claim.grant.service.clone(), claim.change_id.clone());
        let before = shared.progress.get(&key).cloned();
        let now = SystemTime::now();
        let control = before.as_ref().map(|saved| saved.control.clone());
        let mut control = control.unwrap_or(ProgressControl::new(ProgressState::Running));
        let (progress, started_at) = match before {
            Some(Saved { progress, .. }) if progress.fencing_token > claim.grant.fencing_token => {
                return Ok(Some(progress));
            }
            None if !claim.from_start => return Ok(None),
            Some(saved) if !claim.begins_anew(&saved.progress) => {
                (saved.progress, saved.started_at)
            }
            before => {
                control = ProgressControl::new(match claim.rolls_back {
                    true => ProgressState::RollingBack,
                    false => ProgressState::Running,
                });
                (before.map(|saved| saved.progress).unwrap_or_default(), now)
            }
        };
        let halted = control.state.is_halted();
        let progress = Progress {
            halted,
            ..progress.claimed(claim)
        };
        let saved = Saved {
            progress: progress.clone(),
            control,
            waits_for: None,
            attempt: claim.attempt,
            started_at,
            updated_at: now,
        };
        shared.progress.insert(key, saved);
        Ok(Some(progress))
    }

    async fn save_progress(
        &self,
        claim: &ProgressClaim,
        batch: &BatchEnd,
    ) -> Result<(), StoreError> {
        let mut shared = self.shared();
        let key = (claim.grant.service.clone(), claim.change_id.clone());
        let saved = shared.progress.get_mut(&key);
        let Some(saved) = saved.filter(|saved| claim.owns(&saved.progress)) else {
            let source = "another run works on the change";
            let action = "could not save the progress of the change";
            return Err(StoreError::new(StoreErrorKind::Refused, action, source));
        };
        if saved.progress.batches == batch.number {
            saved.progress = saved.progress.clone().after(batch);
            saved.progress.app_version.clone_from(&claim.app_version);
            if saved.progress.finished {
                saved.control.request = None;
                saved.control.state = match saved.progress.rolls_back {
                    true => ProgressState::RollingBack,
                    false => ProgressState::Finished,
                };
            }
            saved.updated_at = SystemTime::now();
        }
        Ok(())
    }

    async fn control(
        &self,
        service: &str,
        change_id: &str,
    ) -> Result<Option<ProgressControl>, StoreError> {
        let shared = self.shared();
        let key = (service.to_owned(), change_id.to_owned());
        Ok(shared.progress.get(&key).map(|saved| saved.control.clone()))
    }

    async fn change_control(
        &self,
        service: &str,
        change_id: &str,
        change: &ControlChange,
    ) -> Result<(), StoreError> {
        let mut shared = self.shared();
        let key = (service.to_owned(), change_id.to_owned());
        let saved = shared.progress.get_mut(&key);
        let Some(saved) = saved.filter(|saved| !saved.progress.finished) else {
            return Ok(());
        };
        match change {
            ControlChange::Request(request) => {
                saved.control.request = request.clone().map(|request| ControlRequest {
                    requested_at: Some(to_the_microsecond(SystemTime::now())),
                    ..request
                });
            }
            ControlChange::State { .. } if saved.progress.rolls_back => {}
            ControlChange::State { state, acted } => {
                saved.control.state = *state;
                let request = saved.control.request.take();
                saved.control.request = request.filter(|one| Some(one.action) != *acted);
                saved.waits_for = None;
                saved.progress.halted = state.is_halted();
            }
            ControlChange::Tune { pause, size } => {
                saved.control.pause = *pause;
                saved.control.size = *size;
            }
            ControlChange::Wait(reason) => saved.waits_for.clone_from(reason),
        }
        Ok(())
    }

    async fn progress(&self, service: &str) -> Result<Vec<ChangeProgress>, StoreError> {
        let shared = self.shared();
        let of_service = shared.progress.iter().filter(|(key, saved)| {
            let Progress {
                rolls_back,
                finished,
                failed_rows,
                ..
            } = &saved.progress;
            let is_rolled_back = *rolls_back && *finished && failed_rows.is_empty();
            key.0 == service && !is_rolled_back
        });
        let mut found: Vec<ChangeProgress> = of_service
            .map(|((_, change_id), saved)| ChangeProgress {
                state: saved.control.state,
                run_id: saved.progress.run_id.clone(),
                attempt: saved.attempt,
                batches: saved.progress.batches,
                done_rows: saved.progress.done_rows,
                total_rows: saved.progress.total_rows,
                size: saved.progress.size,
                updated_at: saved.updated_at,
                pause: saved.control.pause,
                fixed_size: saved.control.size,
                waits_for: saved.waits_for.clone(),
                request: saved.control.request.clone(),
                failed_rows: saved.progress.failed_rows.clone(),
                ..ChangeProgress::new(change_id, saved.started_at)
            })
            .collect();
        found.sort_by(|one, other| one.change_id.cmp(&other.change_id));
        Ok(found)
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        let shared = self.shared();
        let of_service = || {
            shared
                .entries
                .iter()
                .filter(|entry| entry.service == service)
        };
        let latest: HashMap<Option<&str>, i64> = of_service()
            .map(|entry| (entry.change_id.as_deref(), entry.seq))
            .collect();
        let matches = |entry: &&Entry| {
            filter.matches(entry)
                && (!filter.latest_only
                    || latest.get(&entry.change_id.as_deref()) == Some(&entry.seq))
        };
        Ok(of_service().filter(matches).cloned().collect())
    }

    async fn open_lane(&self, _service: &str, _lane: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lanes(&self, service: &str) -> Result<Vec<LockStatus>, StoreError> {
        let shared = self.shared();
        let lanes = shared
            .locks
            .iter()
            .filter(|((of, lane), _)| of == service && lane != STARTUP);
        let mut lanes: Vec<LockStatus> = lanes
            .map(|(_, lock)| LockStatus {
                held: lock.is_held(),
                ..lock.row.clone()
            })
            .collect();
        lanes.sort_by(|one, other| one.lane.cmp(&other.lane));
        Ok(lanes)
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        let shared = self.shared();
        let seen = shared.entries.iter().map(|entry| &entry.service);
        let locked = shared.locks.keys().map(|(service, _)| service);
        let services: BTreeSet<&String> = locked.chain(seen).collect();
        Ok(services.into_iter().cloned().collect())
    }
}

#[async_trait]
impl LeaseRenewer for MemoryStore {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut shared = self.shared();
        let lock = shared.locks.get_mut(&place(grant));
        let Some(lock) = lock.filter(|lock| lock.belongs_to(grant)) else {
            return Ok(false);
        };
        lock.ends = Instant::now() + lease;
        lock.row.expires_at = Some(to_the_microsecond(SystemTime::now() + lease));
        if let Some(activity) = activity {
            lock.row.activity = Some(activity.to_owned());
        }
        Ok(true)
    }
}

#[async_trait]
impl LockStore for MemoryStore {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        let mut shared = self.shared();
        let place = (claim.service.clone(), claim.lane.clone());
        let lock = shared.locks.get(&place);
        let before = lock.and_then(|lock| lock.row.run_id.clone());
        let is_own = before.as_ref() == Some(&claim.run_id);
        let obtained = match claim.force {
            Some(token) => {
                before.is_some() && lock.is_some_and(|lock| lock.row.fencing_token == token)
            }
            None => !lock.is_some_and(Lock::is_held),
        };
        if !obtained && !is_own {
            return Ok(None);
        }
        // A new lane continues the fencing tokens of the service.
        let of_service = shared.locks.iter().filter(|(at, _)| at.0 == claim.service);
        let last = of_service.map(|(_, lock)| lock.row.fencing_token).max();
        let last = lock
            .map(|lock| lock.row.fencing_token)
            .or(last)
            .unwrap_or(0);
        let fencing_token = match is_own {
            true => last,
            false => last.max(claim.floor) + 1,
        };
        let previous_run = before;
        let now = SystemTime::now();
        let row = LockStatus {
            expires_at: Some(to_the_microsecond(now + claim.lease)),
            ..LockStatus::new(claim, fencing_token, to_the_microsecond(now))
        };
        let lock = Lock {
            row,
            pipeline_digest: None,
            ends: Instant::now() + claim.lease,
        };
        shared.locks.insert(place, lock);
        Ok(Some(Acquired {
            grant: LockGrant::new(claim, fencing_token),
            previous_run,
        }))
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let mut shared = self.shared();
        let lock = shared.locks.get_mut(&place(grant));
        if let Some(lock) = lock.filter(|lock| lock.belongs_to(grant)) {
            lock.pipeline_digest = digest.map(str::to_owned);
            lock.row.run_id = None;
            lock.row.expires_at = None;
            lock.row.activity = None;
        }
        Ok(())
    }

    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        Some(Box::new(self.clone()))
    }
}
