//! Planning, issues and their resolution, the schema, and the lock.

use crate::audit::store_error::missing_tables;
use crate::report::error::invalid;
use crate::report::issue::{Issue, Resolution, Resolved, issue};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::Runner;
use crate::audit::entry::{Entry, LatestEntry, NewEntry, Origin, State, TransactionMode};
use crate::audit::grant::{AcquireRequest, LockGrant, STARTUP};
use crate::audit::store::{HistoryFilter, whole_snapshot};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::definition::Definition;
use crate::engine;
pub(crate) use crate::engine::collect::open_storage as open;
use crate::lock::lease::Lease;
use crate::lock::stop::StopSignal;
use crate::plan::step::{in_batches, rolls_back_elsewhere};
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::run::Report;
use crate::target::storage::Storage;
use crate::util::near_miss::did_you_mean;
use crate::util::random::new_id;

/// The minimum pause before the next attempt to write to a server that is read-only.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

impl Runner {
    /// Returns what a run would do now and why, without doing it. Only reads, and takes no lock.
    ///
    /// Every pending change is [`NotReached`](crate::Outcome::NotReached), including one that the
    /// run with the lock is working on, which has the note
    /// [`Running`](crate::plan::note::Note::Running). A change that needs manual resolution is
    /// [`Blocked`](crate::Outcome::Blocked).
    ///
    /// # Errors
    /// Problems of the registry or the pipeline, an argument of a change that nothing provides, and
    /// any error while the audit is read.
    pub async fn plan(&self) -> Result<Report, Error> {
        engine::plan(&self.settings).await
    }

    /// Returns the changes that need manual resolution. Only reads.
    ///
    /// # Errors
    /// Problems of the registry or the pipeline, and any error while the audit is read.
    pub async fn issues(&self) -> Result<Vec<Issue>, Error> {
        engine::find_out_formats(&self.settings, None).await?;
        let (storage, pipeline) = engine::open_with_pipeline(&self.settings)?;
        let snapshot = whole_snapshot(&*storage.store, &self.settings.service).await;
        let mut snapshot = snapshot.map_err(Error::store)?;
        let latest = std::mem::take(&mut snapshot.latest);
        let plan = Plan::make(&pipeline, |_| true, latest);
        let issues = plan.steps().filter_map(|step| issue(step, &snapshot));
        Ok(issues.collect())
    }

    /// Records an operator's decision about a change that needs manual resolution. Takes the lock,
    /// and appends an entry with the origin `operator`; existing entries stay as they are. Writes
    /// nothing, and returns [`Resolved::Unchanged`], if the audit records the same already.
    ///
    /// # Errors
    /// - [`LockTimeout`](crate::ErrorKind) at once if a run has the lock.
    /// - [`Invalid`](crate::ErrorKind) for a change that the audit does not know or that needs no
    ///   resolution, for a decision that the next run makes by itself, or if `reason` is blank.
    /// - Any error while the audit is read or written.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may have been appended or not, and the lock stays taken
    /// until its lease ends.
    pub async fn resolve(
        &self,
        change_id: &str,
        resolution: Resolution,
        reason: &str,
    ) -> Result<Resolved, Error> {
        let storage = open(&self.settings)?;
        check_reason(
            reason,
            "a resolution needs a reason: say what was found, for the audit",
        )?;
        if let Found::Settled = self.find(&storage, change_id, resolution).await? {
            return Ok(Resolved::Unchanged);
        }
        let lease = self.take_lock(&storage).await?;
        let recorded = self
            .record(&storage, lease.grant(), change_id, resolution, reason)
            .await;
        let released = lease.release(None).await;
        let recorded = recorded?;
        released.map_err(Error::store)?;
        Ok(recorded)
    }

    /// Returns the statements that create the tables of the audit, so that you can apply them by
    /// hand; empty for a store without tables. Touches no database.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) if the configured names are not valid names of tables.
    pub fn schema(&self) -> Result<String, Error> {
        let storage = open(&self.settings)?;
        Ok(storage
            .store
            .schema(&self.settings.service)
            .unwrap_or_default())
    }

    /// Returns the statements that grant four database users the rights on the tables that each
    /// needs: one that applies changes, one that only starts instances, one that operates, one that
    /// reads. Empty for a database without users. Replace the names of the users. Touches no
    /// database.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind) if the configured names are not valid names of tables.
    pub fn grants(&self) -> Result<String, Error> {
        let storage = open(&self.settings)?;
        Ok(storage.store.grants().unwrap_or_default())
    }

    /// Returns the statements that upgrade tables of an older version to the format of this
    /// version; empty if there is nothing to do. Execute them by hand while no instance of the
    /// older version runs. Only reads.
    ///
    /// # Errors
    /// Any error while the columns of the tables are read.
    pub async fn schema_upgrade(&self) -> Result<String, Error> {
        let storage = open(&self.settings)?;
        storage.store.upgrade().await.map_err(Error::store)
    }

    /// Builds the request by which an operator command acquires the lock. `force` is the fencing
    /// token of the owner that it may take the lock from.
    pub(crate) fn claim(&self, force: Option<i64>) -> AcquireRequest {
        let facts = engine::facts(&self.settings);
        let operator = match &facts.operator {
            Some(name) => format!("operator {name}"),
            None => "an operator".to_owned(),
        };
        AcquireRequest {
            service: self.settings.service.clone(),
            lane: STARTUP.to_owned(),
            run_id: engine::new_id(),
            owner: format!("{operator} (process {} on {})", facts.pid, facts.host),
            lease: self.settings.lock.lease,
            force,
            floor: 0,
        }
    }

    /// Creates the tables and the row of the service's lock if they are missing.
    pub(crate) async fn make_ready(&self, storage: &Storage) -> Result<(), Error> {
        let (store, service) = (&storage.store, &self.settings.service);
        let snapshot = store.snapshot(service, "").await.map_err(Error::store)?;
        if snapshot.tables && snapshot.latest.is_empty() {
            let pipeline = engine::pipeline_of(&self.settings)?;
            engine::refuse_a_second_history(&**store, &self.settings, &pipeline).await?;
        }
        let made = if !snapshot.tables {
            if !self.settings.create_tables {
                return Err(Error::store(missing_tables()));
            }
            self.once_writable(|| store.create(service)).await
        } else if snapshot.lock.is_none() {
            self.once_writable(|| store.register(service)).await
        } else {
            Ok(())
        };
        made.map_err(Error::store)
    }

    /// Repeats an operation while the server is read-only, at most for as long as a run waits for
    /// the lock. During a fail-over the address leads to the new writer sooner or later.
    async fn once_writable<T, F>(&self, work: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let deadline = Instant::now() + self.settings.lock.wait;
        loop {
            match work().await {
                Err(error)
                    if error.kind == StoreErrorKind::ReadOnly && Instant::now() < deadline =>
                {
                    tracing::info!("the server takes no writes: waiting for the next writer");
                    tokio::time::sleep(self.settings.lock.poll.max(SHORTEST_PAUSE)).await;
                }
                done => return done,
            }
        }
    }

    /// Acquires the lock without waiting for it.
    pub(crate) async fn take_lock(&self, storage: &Storage) -> Result<Lease, Error> {
        match self.take(storage, &self.claim(None)).await? {
            Some(lease) => Ok(lease),
            None => {
                let report = engine::look(&self.settings).await?;
                Err(Error::lock_timeout(self.lock_status().await?, report))
            }
        }
    }

    /// Acquires the lock and starts to renew it. Returns `None` if another run has it.
    pub(crate) async fn take(
        &self,
        storage: &Storage,
        claim: &AcquireRequest,
    ) -> Result<Option<Lease>, Error> {
        let lock = self.settings.lock.bounded();
        let signals = StopSignal::new(lock.wait);
        let deadline = Instant::now() + lock.wait;
        let take = || Lease::take(&storage.store, claim, deadline, &signals);
        self.once_writable(take).await.map_err(Error::store)
    }

    async fn find(
        &self,
        storage: &Storage,
        change_id: &str,
        resolution: Resolution,
    ) -> Result<Found, Error> {
        let service = &self.settings.service;
        let snapshot = storage
            .store
            .snapshot(service, "")
            .await
            .map_err(Error::store)?;
        let latest = snapshot
            .latest
            .iter()
            .find(|latest| latest.change_id == change_id);
        let Some(latest) = latest.cloned() else {
            let known = snapshot.latest.iter().map(|latest| &*latest.change_id);
            return Err(invalid(&format!(
                "the audit of the service {service:?} knows no change {change_id:?}: there is nothing to resolve{}",
                did_you_mean(change_id, known)
            )));
        };
        let rolls_back = rolls_back_elsewhere(&latest);
        let in_doubt = rolls_back
            || latest.state == State::Started
                && latest.transaction_mode == TransactionMode::Separate;
        // The decision that would turn wrong if the transaction in doubt is committed after all.
        let outdated = match latest.origin {
            Origin::Undo => Resolution::Applied,
            _ if rolls_back => Resolution::Applied,
            Origin::Run
            | Origin::Operator
            | Origin::Import
            | Origin::Verify
            | Origin::Unknown(_) => Resolution::RolledBack,
        };
        if in_doubt && resolution == outdated && !in_batches(&latest) {
            return Err(invalid(&format!(
                "whether {change_id:?} was committed is known at its target system {:?}: the next run asks there, and makes sure that it can no longer be committed. If the transaction is still open, end that session and run again",
                latest.target
            )));
        }
        let resolved = match latest.state {
            State::Applied | State::MarkedApplied => Some(Resolution::Applied),
            State::RolledBack | State::MarkedRolledBack => Some(Resolution::RolledBack),
            State::Started
            | State::Failed
            | State::RollbackFailed
            | State::Paused
            | State::Cancelled
            | State::Resumed
            | State::LockReleased
            | State::Unknown(_) => None,
        };
        match resolved {
            Some(resolved) if resolved == resolution => Ok(Found::Settled),
            Some(_) => Err(invalid(&format!(
                "the change {change_id:?} needs no resolution: it is {}. To take an applied change back, undo it",
                latest.state
            ))),
            None => Ok(Found::Open(Box::new(latest))),
        }
    }

    /// Checks again under the lock, and appends the entry.
    async fn record(
        &self,
        storage: &Storage,
        grant: &LockGrant,
        change_id: &str,
        resolution: Resolution,
        reason: &str,
    ) -> Result<Resolved, Error> {
        let latest = match self.find(storage, change_id, resolution).await? {
            Found::Settled => return Ok(Resolved::Unchanged),
            Found::Open(latest) => latest,
        };
        let latest = match self.close_lanes(storage, [change_id].into_iter()).await? {
            false => latest,
            // What its owner committed last is there now.
            true => match self.find(storage, change_id, resolution).await? {
                Found::Settled => return Ok(Resolved::Unchanged),
                Found::Open(latest) => latest,
            },
        };
        let definitions = engine::pipeline_of(&self.settings).ok();
        let definition = definitions
            .as_ref()
            .and_then(|pipeline| pipeline.changes().find(|change| change.id == change_id));
        let mut entry = self.entry(&latest, definition, resolution, reason);
        if definition.is_none()
            && let Some(recorded) = self.recorded(storage, change_id).await?
        {
            entry.author = recorded.author.unwrap_or_default();
            entry.description = recorded.description.unwrap_or_default();
            entry.location = recorded.location.unwrap_or_default();
            entry.recovery = recorded.recovery;
        }
        let appended = storage.store.append(grant, &[entry]).await;
        appended.map_err(Error::store)?;
        Ok(Resolved::Recorded)
    }

    /// Returns the latest entry of a change that this binary does not have.
    async fn recorded(&self, storage: &Storage, change_id: &str) -> Result<Option<Entry>, Error> {
        let filter = HistoryFilter::default()
            .change(change_id.to_owned())
            .latest_only();
        let service = &self.settings.service;
        let entries = storage.store.history(service, &filter).await;
        Ok(entries.map_err(Error::store)?.pop())
    }

    pub(crate) fn entry(
        &self,
        latest: &LatestEntry,
        definition: Option<&'static Definition>,
        resolution: Resolution,
        reason: &str,
    ) -> NewEntry {
        let text = |of: fn(&Definition) -> &str| definition.map(of).unwrap_or_default().to_owned();
        let state = match resolution {
            Resolution::Applied => State::MarkedApplied,
            Resolution::RolledBack => State::MarkedRolledBack,
        };
        NewEntry {
            attempt: latest.attempt,
            stage: latest.stage.clone(),
            change_id: latest.change_id.clone(),
            change_order: latest.change_order.clone(),
            author: text(|definition| definition.author),
            description: text(|definition| definition.description),
            target: latest.target.clone(),
            state,
            transaction_mode: latest.transaction_mode.clone(),
            recovery: definition.map(|definition| definition.recovery),
            origin: Origin::Operator,
            // An operator who finds the effect applied has seen the code of that attempt, so its
            // digest is recorded.
            digest: latest.digest.clone(),
            duration: Some(std::time::Duration::ZERO),
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

/// How the audit compares with the requested resolution.
enum Found {
    /// The audit records the same resolution already.
    Settled,
    /// The change needs manual resolution, or will.
    Open(Box<LatestEntry>),
}

/// Checks that an operator's reason is not blank and can be stored.
///
/// # Errors
/// The reason is blank, or has a character that some databases cannot store.
pub(crate) fn check_reason(reason: &str, missing: &str) -> Result<(), Error> {
    if reason.trim().is_empty() {
        return Err(invalid(missing));
    }
    if reason.contains('\0') {
        return Err(invalid(
            "the reason has a NUL, which PostgreSQL does not keep: leave it out",
        ));
    }
    Ok(())
}
