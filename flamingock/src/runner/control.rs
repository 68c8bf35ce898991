//! Pausing, resuming, cancelling and tuning a change in batches from another process.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::builder::Runner;
use super::operate::check_reason;
use crate::audit::control::{
    ControlAction, ControlChange, ControlRequest, ProgressControl, ProgressState,
};
use crate::audit::entry::{LatestEntry, NewEntry, Origin, State};
use crate::audit::grant::background_lane;
use crate::audit::snapshot::{LockStatus, Snapshot};
use crate::audit::store::whole_snapshot;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::definition::Definition;
use crate::engine;
use crate::engine::collect::open_storage as open;
use crate::plan::step::in_batches;
use crate::report::error::{Error, invalid};
use crate::target::database::Database;
use crate::target::storage::Storage;
use crate::util::near_miss::did_you_mean;
use crate::util::random::new_id;

/// The result of [`Runner::pause`], [`Runner::cancel`] and [`Runner::resume`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Controlled {
    /// It has taken effect.
    Done,
    /// A run may be working on the change: it takes up the request after the batch in progress. If
    /// the run dies before, the next run does.
    Requested,
}

/// How the batches of a change are to be, for [`Runner::tune`]: `Tuning::default().size(100)`.
/// What is not set, the application decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// The size of each batch, whatever the time that it takes.
    pub size: Option<i64>,
    /// The pause between two batches.
    pub pause: Option<Duration>,
}

impl Tuning {
    /// Sets the size of each batch.
    #[must_use]
    pub fn size(self, size: i64) -> Tuning {
        Tuning {
            size: Some(size),
            ..self
        }
    }

    /// Sets the pause between two batches.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Tuning {
        Tuning {
            pause: Some(pause),
            ..self
        }
    }
}

/// A change in batches that has begun.
struct Batches {
    storage: Storage,
    /// The database that has its progress, if that is not the store's.
    place: Option<Arc<dyn Database>>,
    id: String,
    service: String,
    control: ProgressControl,
    /// Whether the audit says that an operator paused or cancelled it.
    is_halted: bool,
    /// The state of its latest entry.
    latest: State,
    /// Its lane, if it ever began in the background.
    lane: Option<String>,
    /// The largest fencing token of the service.
    floor: i64,
    /// How long to wait for the batch in progress.
    wait: Duration,
}

/// The pause before a request is written again.
const PAUSE: Duration = Duration::from_millis(50);

fn is_being_undone(change_id: &str) -> Error {
    invalid(&format!(
        "the change {change_id:?} is being undone: stop the process that works on it, and the next `undo` continues"
    ))
}

fn is_passing(error: &StoreError) -> bool {
    matches!(error.kind, StoreErrorKind::Busy | StoreErrorKind::Conflict)
}

impl Batches {
    /// Waits for the end of the batch in progress, which has locked the row.
    async fn change(&self, change: &ControlChange) -> Result<(), Error> {
        let (service, id) = (&self.service, &self.id);
        let deadline = Instant::now() + self.wait;
        loop {
            let write = async {
                match &self.place {
                    Some(database) => database.change_control(service, id, change).await,
                    None => self.storage.store.change_control(service, id, change).await,
                }
            };
            match tokio::time::timeout_at(deadline, write).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if is_passing(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Err(error)) => return Err(Error::store(error)),
                Err(elapsed) => {
                    let action = "could not write the request: the batch in progress takes longer than the wait for the lock";
                    let kind = StoreErrorKind::Busy;
                    return Err(Error::store(StoreError::new(kind, action, elapsed)));
                }
            }
        }
    }
}

impl Runner {
    /// Pauses a change in batches after the batch in progress, until [`resume`](Self::resume). Waits
    /// for the end of a batch in a transaction, at most as long as a run waits for the lock. Needs no
    /// lock while a run works on the change: the run takes up the request, and records it with the
    /// reason and the [`operator`](Self::operator) of this runner. If none does, this call records it.
    ///
    /// While a change of the start is paused, runs fail: applications do not start without it.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) for a change that has not begun, that is finished, or that
    ///   does not work in batches, and if `reason` is blank.
    /// - Any error while the databases are read or written.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may have been made.
    pub async fn pause(&self, change_id: &str, reason: &str) -> Result<Controlled, Error> {
        self.halt(ControlAction::Pause, change_id, reason).await
    }

    /// Cancels a change in batches after the batch in progress. It stays unfinished, with its
    /// committed batches, and no run works on it any more, unless it is [resumed](Self::resume).
    /// [`undo`](Self::undo) with [`UndoTarget::Change`](crate::UndoTarget::Change) reverses what it
    /// did. Otherwise like [`pause`](Self::pause).
    ///
    /// # Errors
    /// Those of [`pause`](Self::pause).
    ///
    /// # Cancel safety
    /// That of [`pause`](Self::pause).
    pub async fn cancel(&self, change_id: &str, reason: &str) -> Result<Controlled, Error> {
        self.halt(ControlAction::Cancel, change_id, reason).await
    }

    async fn halt(
        &self,
        action: ControlAction,
        change_id: &str,
        reason: &str,
    ) -> Result<Controlled, Error> {
        let missing = "pausing or cancelling a change needs a reason: say why it is to stop";
        check_reason(reason, missing)?;
        let batches = self.batches(change_id).await?;
        if batches.control.state == ProgressState::RollingBack {
            return Err(is_being_undone(change_id));
        }
        if batches.control.state == action.state() && batches.latest == action.entry() {
            return Ok(Controlled::Done);
        }
        let operator = engine::facts(&self.settings).operator;
        let request = ControlRequest::new(action, operator, reason);
        let is_at_its_end = batches.control.state == ProgressState::Finished;
        if !is_at_its_end {
            batches
                .change(&ControlChange::Request(Some(request)))
                .await?;
        }
        let done = self
            .without_owner(&batches, action.state(), action.entry(), reason)
            .await?;
        match done {
            true => Ok(Controlled::Done),
            false if is_at_its_end => Err(invalid(&format!(
                "all batches of the change {change_id:?} are committed, and a run works on its end: wait for it, or stop its process"
            ))),
            false => Ok(Controlled::Requested),
        }
    }

    /// Resumes a change in batches that was paused or cancelled: the next run continues after the
    /// last committed batch, and so does an application that waits for it in the background. A
    /// request that no run has taken up yet is withdrawn.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) for a change that was neither paused nor cancelled, and if
    ///   `reason` is blank.
    /// - [`LockTimeout`](crate::ErrorKind) if a run has the lock of the change.
    /// - Any error while the databases are read or written.
    ///
    /// # Cancel safety
    /// If the future is dropped, the change may be resumed.
    pub async fn resume(&self, change_id: &str, reason: &str) -> Result<Controlled, Error> {
        let missing = "resuming a change needs a reason: say why it is to continue";
        check_reason(reason, missing)?;
        let batches = self.batches(change_id).await?;
        if batches.control.state == ProgressState::RollingBack {
            return Err(is_being_undone(change_id));
        }
        if !batches.control.state.is_halted() && !batches.is_halted {
            if batches.control.request.is_none() {
                return Err(invalid(&format!(
                    "the change {change_id:?} was neither paused nor cancelled: there is nothing to resume"
                )));
            }
            batches.change(&ControlChange::Request(None)).await?;
            return Ok(Controlled::Done);
        }
        let running = ProgressState::Running;
        match self
            .without_owner(&batches, running, State::Resumed, reason)
            .await?
        {
            true => Ok(Controlled::Done),
            false => {
                let report = engine::look(&self.settings).await?;
                let snapshot = self.look_at(&batches.storage).await?;
                let lock = lock_of(snapshot, batches.lane.as_deref());
                Err(Error::lock_timeout(lock, report))
            }
        }
    }

    /// Sets the size of the batches of a change, and the pause between them, from the next batch on.
    /// It holds until the change is applied or rolled back, or is set anew. Needs no lock.
    ///
    /// # Errors
    /// - [`Invalid`](crate::ErrorKind) for a change that has not begun, that is finished, or that
    ///   does not work in batches, and for a size below 1.
    /// - Any error while the databases are read or written.
    ///
    /// # Cancel safety
    /// If the future is dropped, it may be set.
    pub async fn tune(&self, change_id: &str, tuning: Tuning) -> Result<(), Error> {
        if tuning.size.is_some_and(|size| size < 1) {
            return Err(invalid(
                "a batch has at least one row: set a size of 1 or more",
            ));
        }
        let batches = self.batches(change_id).await?;
        if batches.control.state == ProgressState::Finished {
            return Err(invalid(&format!(
                "all batches of the change {change_id:?} are committed: there is nothing to tune"
            )));
        }
        let Tuning { size, pause } = tuning;
        batches.change(&ControlChange::Tune { pause, size }).await
    }

    /// Finds a change in batches that has begun.
    async fn batches(&self, change_id: &str) -> Result<Batches, Error> {
        engine::find_out_formats(&self.settings, None).await?;
        let storage = open(&self.settings)?;
        let definition = self.definition(change_id);
        let place = definition
            .filter(|one| one.body.transaction && one.body.cursor().is_some())
            .and_then(|one| {
                let mut targets = self.settings.targets.iter();
                targets.find(|target| target.name == one.target)
            })
            .and_then(|target| target.database.clone());
        let service = self.settings.service.clone();
        let control = match &place {
            Some(database) => database.control(&service, change_id).await,
            None => storage.store.control(&service, change_id).await,
        };
        let control = control.map_err(Error::store)?;
        let snapshot = self.look_at(&storage).await?;
        let latest = snapshot
            .latest
            .iter()
            .find(|latest| latest.change_id == change_id);
        let is_open = latest.is_some_and(in_batches);
        let is_halted =
            latest.is_some_and(|latest| matches!(latest.state, State::Paused | State::Cancelled));
        let Some(control) = control.filter(|_| is_open) else {
            let known = snapshot.latest.iter().map(|latest| &*latest.change_id);
            return Err(invalid(&match latest {
                Some(latest) => format!(
                    "the change {change_id:?} is not running in batches here: its latest entry is {}",
                    latest.state
                ),
                None => format!(
                    "the change {change_id:?} has not begun{}",
                    did_you_mean(change_id, known)
                ),
            }));
        };
        let lane = background_lane(change_id);
        let lane = Some(lane).filter(|lane| {
            let mut lanes = snapshot.lanes.iter();
            lanes.any(|lock| lock.lane == *lane)
        });
        Ok(Batches {
            storage,
            place,
            id: change_id.to_owned(),
            service,
            control,
            is_halted,
            latest: latest.map_or(State::Started, |latest| latest.state.clone()),
            wait: self.settings.lock.bounded().wait,
            floor: snapshot.floor(),
            lane,
        })
    }

    fn definition(&self, change_id: &str) -> Option<&'static Definition> {
        let pipeline = engine::pipeline_of(&self.settings).ok()?;
        pipeline.changes().find(|change| change.id == change_id)
    }

    async fn look_at(&self, storage: &Storage) -> Result<Snapshot, Error> {
        let read = whole_snapshot(&*storage.store, &self.settings.service).await;
        read.map_err(Error::store)
    }

    /// Sets the state of a change and records it, unless a run has its lock. Returns whether it did.
    async fn without_owner(
        &self,
        batches: &Batches,
        state: ProgressState,
        entry: State,
        reason: &str,
    ) -> Result<bool, Error> {
        let storage = &batches.storage;
        // No instance begins in the background while this has the lock of the start.
        let Some(startup) = self.take(storage, &self.claim(None)).await? else {
            return Ok(false);
        };
        let set = async {
            if let Some(lane) = &batches.lane
                && !self.close_lane(storage, lane, batches.floor).await?
            {
                return Ok(false);
            }
            let snapshot = self.look_at(storage).await?;
            let latest = snapshot
                .latest
                .into_iter()
                .find(|latest| latest.change_id == batches.id);
            let is_open =
                |latest: &LatestEntry| in_batches(latest) && latest.origin != Origin::Undo;
            let Some(latest) = latest.filter(is_open) else {
                return Err(invalid(&format!(
                    "the change {:?} has ended meanwhile",
                    batches.id
                )));
            };
            // A run has taken up the request meanwhile.
            if latest.state != entry {
                let entry = self.entry_of_control(&latest, entry, reason);
                let appended = storage.store.append(startup.grant(), &[entry]).await;
                appended.map_err(Error::store)?;
            }
            // A crash can leave the request of a pause that is recorded already.
            let acted = ControlAction::of(state).or(match latest.state {
                State::Paused => Some(ControlAction::Pause),
                State::Cancelled => Some(ControlAction::Cancel),
                _ => None,
            });
            batches
                .change(&ControlChange::State { state, acted })
                .await?;
            Ok(true)
        };
        let set = set.await;
        let released = startup.release(None).await.map_err(Error::store);
        let set = set?;
        released.map(|()| set)
    }

    fn entry_of_control(&self, latest: &LatestEntry, state: State, reason: &str) -> NewEntry {
        let definition = self.definition(&latest.change_id);
        NewEntry {
            attempt: latest.attempt,
            stage: latest.stage.clone(),
            change_id: latest.change_id.clone(),
            change_order: latest.change_order.clone(),
            author: definition.map_or_else(String::new, |one| one.author.to_owned()),
            description: definition.map_or_else(String::new, |one| one.description.to_owned()),
            target: latest.target.clone(),
            state,
            transaction_mode: latest.transaction_mode.clone(),
            recovery: latest.recovery,
            origin: Origin::Operator,
            digest: latest.digest.clone(),
            duration: Some(Duration::ZERO),
            location: definition
                .map(|one| one.location().to_string())
                .unwrap_or_default(),
            error: None,
            reason: Some(reason.to_owned()),
            idempotency_key: new_id(),
            origin_facts: Arc::new(engine::facts_at(&self.settings, &latest.target)),
        }
    }
}

/// Returns the lock that another run has: that of the change's lane, or that of the start.
fn lock_of(snapshot: Snapshot, lane: Option<&str>) -> Option<LockStatus> {
    let mut lanes = snapshot.lanes.into_iter();
    let held = lanes.find(|lock| lock.held && Some(lock.lane.as_str()) == lane);
    held.or(snapshot.lock)
}
