//! Acquiring the lock: polls until there is nothing left to do, or until the lock is free.

use std::time::Duration;

use tokio::time::Instant;

use super::judge::Looks;
use super::mode::Mode;
use super::prepare::Prepared;
use super::refuse_a_second_history;
use crate::audit::grant::{AcquireRequest, STARTUP};
use crate::audit::snapshot::{LockProgress, LockStatus, Snapshot};
use crate::audit::store_error::missing_tables;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::listener::{EventKind, EventSink};
use crate::lock::backoff::Backoff;
use crate::lock::lease::Lease;
use crate::lock::options::OnLockTimeout;
use crate::lock::silence;
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::run::Report;

/// How often a waiter reports the lock owner again.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// How the wait for the lock ended.
pub(super) enum Waited {
    Ended(Box<Report>),
    Obtained(Lease),
}

/// The lock owner that a run waits for, and when that was last reported.
#[derive(Default)]
pub(super) struct Waiting {
    since: Option<Instant>,
    told: Option<(i64, Instant)>,
}

impl Waiting {
    pub(super) fn tell(&mut self, lock: Option<&LockStatus>, events: &EventSink) {
        self.since.get_or_insert_with(Instant::now);
        let Some(lock) = lock.filter(|lock| lock.held) else {
            return;
        };
        let told = self
            .told
            .is_some_and(|(token, at)| token == lock.fencing_token && at.elapsed() < TELL_AGAIN);
        if !told {
            self.told = Some((lock.fencing_token, Instant::now()));
            tracing::info!(
                owner = lock.owner,
                fencing_token = lock.fencing_token,
                "waiting for the lock"
            );
            events.emit(EventKind::LockWaited { lock: lock.clone() });
        }
    }
}

impl Prepared {
    /// Polls, and acquires the lock as soon as there is something to do and the lock is free.
    pub(super) async fn wait_for_the_lock(&self, signals: &StopSignal) -> Result<Waited, Error> {
        let deadline = self.began + self.settings.lock.wait;
        let mut pace = Backoff::new(self.settings.lock.poll, &self.run_id);
        let mut waiting = Waiting::default();
        let mut overdue = false;
        let mut known = None;
        loop {
            let looked = match known.take() {
                Some(snapshot) => Ok(snapshot),
                None => self.look().await,
            };
            let mut snapshot = match looked {
                Ok(snapshot) => snapshot,
                // A waiter tolerates a database that restarts.
                Err(error)
                    if waiting.since.is_some()
                        && error.kind == StoreErrorKind::Disconnected
                        && Instant::now() < deadline =>
                {
                    tokio::time::sleep(pace.grow()).await;
                    continue;
                }
                Err(error) => return Err(Error::store(error)),
            };
            if !snapshot.up_to_date {
                self.foresee(&mut snapshot).await?;
            }
            let looks = if self.adopts_first(&snapshot) {
                Looks::InMotion
            } else {
                Looks::of(&snapshot)
            };
            let mut plan = self.plan_to_run(&mut snapshot, looks)?;
            if snapshot.is_held() {
                plan.is_being_worked_at();
            }
            self.note_required(&mut plan).await;
            tracing::debug!(
                up_to_date = snapshot.up_to_date,
                pending = plan.pending(),
                lock_held = snapshot.is_held(),
                "looked at the audit"
            );
            if self.only_looks() && looks == Looks::Settled {
                self.refuse_unfit_scripts(&plan).await?;
            }
            if let Some(ended) = self.without_the_lock(&snapshot, &plan)? {
                return Ok(Waited::Ended(Box::new(ended)));
            }
            if overdue {
                return self.not_obtained(snapshot, &plan);
            }
            if !snapshot.is_held() {
                match self.take_the_lock(&snapshot, &plan, signals).await {
                    Ok(Some(lease)) => return Ok(Waited::Obtained(lease)),
                    Ok(None) => {}
                    // During a fail-over the connection is closed, and the address of the pool
                    // leads to the new writer sooner or later.
                    Err(error)
                        if error.is_store(StoreErrorKind::ReadOnly)
                            && Instant::now() < deadline =>
                    {
                        tracing::info!("the server takes no writes: waiting for the next writer");
                    }
                    Err(error) => return Err(error),
                }
            }
            if signals.now() != StopReason::No {
                return Err(Error::cancelled(self.report(&plan, &Vec::new())));
            }
            if Instant::now() >= deadline {
                // The attempt to acquire the lock may itself have waited, so read the state again.
                overdue = true;
                continue;
            }
            waiting.tell(snapshot.lock.as_ref(), &self.events);
            let latest = match snapshot.tables {
                true => self
                    .lock_progress(i64::MAX, &mut waiting)
                    .await
                    .and_then(LockProgress::at_work),
                false => Some(0),
            };
            known = self
                .pause(plan.pending(), latest, &mut pace, &mut waiting, signals)
                .await;
        }
    }

    async fn look(&self) -> Result<Snapshot, StoreError> {
        let service = &self.settings.service;
        let looked = self.answered(self.store.snapshot(service, &self.digest));
        let mut snapshot = looked.await?;
        if snapshot.has_lanes {
            snapshot.lanes = self.answered(self.store.lanes(service)).await?;
        }
        if let Some(lock) = &mut snapshot.lock {
            // The lock is this run's own: the answer to its request was lost, and the store grants
            // it again.
            lock.held &= lock.run_id.as_ref() != Some(&self.run_id);
        }
        Ok(snapshot)
    }

    /// Waits for the store's answer, up to a limit.
    pub(super) async fn answered<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = silence::limit(self.settings.lock.wait);
        silence::answered(limit, work)
            .await
            .unwrap_or_else(|unanswered| {
                let action = "could not read the audit";
                Err(StoreError::new(
                    StoreErrorKind::Disconnected,
                    action,
                    unanswered,
                ))
            })
    }

    /// Pauses at least once, and until there can be something new: the lock owner has applied as
    /// many changes as are pending here, or has ended. Until then a waiter only polls the lock,
    /// because every query competes with the lock owner for the database. `latest` is the position
    /// of the latest entry if the lock has an owner. Returns the snapshot if the progress makes it
    /// complete.
    async fn pause(
        &self,
        pending: usize,
        latest: Option<i64>,
        pace: &mut Backoff,
        waiting: &mut Waiting,
        signals: &StopSignal,
    ) -> Option<Snapshot> {
        let deadline = self.began + self.settings.lock.wait;
        let mut left = pending;
        loop {
            let pause = pace.after(left, self.began.elapsed());
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                _ = signals.wait(|stop| *stop != StopReason::No) => {}
            }
            if signals.now() != StopReason::No || Instant::now() >= deadline {
                return None;
            }
            let progress = self.lock_progress(latest?, waiting).await?;
            if !progress.lock.held {
                return progress.whole();
            }
            left = pending.saturating_sub(progress.applied);
            if left == 0 {
                return None;
            }
        }
    }

    /// Ignores errors: the next full snapshot reports them.
    async fn lock_progress(&self, since: i64, waiting: &mut Waiting) -> Option<LockProgress> {
        let (service, digest) = (&self.settings.service, &self.digest);
        let progress = self
            .store
            .lock_progress(service, digest, since)
            .await
            .ok()??;
        waiting.tell(Some(&progress.lock), &self.events);
        Some(progress)
    }

    /// Returns the result of a run that ends without the lock: nothing to do, nothing that may be
    /// done, or a mode that only reads.
    fn without_the_lock(&self, snapshot: &Snapshot, plan: &Plan) -> Result<Option<Report>, Error> {
        let report = || self.report(plan, &Vec::new());
        if plan.is_settled() {
            return Ok(Some(report()));
        }
        match self.mode {
            Mode::Check if plan.pending() > 0 => return Err(Error::pending(report())),
            Mode::Check => return Err(Error::blocked(report())),
            Mode::Plan => {
                let mut report = report();
                report
                    .warnings
                    .push("the mode is to plan only: nothing ran".to_owned());
                return Ok(Some(report));
            }
            Mode::Apply | Mode::Off => {}
        }
        if !snapshot.is_held() && !plan.has_work(&self.pipeline) {
            return Err(Error::blocked(report()));
        }
        Ok(None)
    }

    pub(super) async fn take_the_lock(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
        signals: &StopSignal,
    ) -> Result<Option<Lease>, Error> {
        let service = &self.settings.service;
        if snapshot.tables && plan.has_no_history {
            refuse_a_second_history(&*self.store, &self.settings, &self.pipeline).await?;
        }
        if !snapshot.tables {
            if !self.settings.create_tables {
                return Err(Error::store(missing_tables()));
            }
            // Another process is creating the tables already, and a second one could only disturb
            // it.
            if self
                .store
                .creation_in_progress()
                .await
                .map_err(Error::store)?
            {
                return Ok(None);
            }
            self.store.create(service).await.map_err(Error::store)?;
        } else if snapshot.lock.is_none() {
            self.store.register(service).await.map_err(Error::store)?;
        }
        let claim = AcquireRequest {
            service: service.clone(),
            lane: STARTUP.to_owned(),
            run_id: self.run_id.clone(),
            owner: self.owner(),
            lease: self.settings.lock.lease,
            force: None,
            // Without other lanes, the lock counts on by itself.
            floor: match snapshot.lanes.is_empty() {
                true => 0,
                false => snapshot.floor(),
            },
        };
        let deadline = self.began + self.settings.lock.wait;
        let obtained = Lease::take(&self.store, &claim, deadline, signals).await;
        let obtained = obtained.map_err(Error::store)?;
        let without_lease = snapshot
            .lock
            .as_ref()
            .is_some_and(|lock| lock.expires_at.is_none());
        if obtained.is_none() && without_lease {
            // Without its row, which may have been deleted, the lock would never be free. If
            // another connection keeps writing, the row cannot be created now, and the next poll
            // tries again.
            match self.store.register(service).await {
                Err(error) if error.kind == StoreErrorKind::Busy => {}
                registered => registered.map_err(Error::store)?,
            }
        }
        if let Some(lease) = &obtained {
            tracing::info!(fencing_token = lease.grant().fencing_token, "lock acquired");
            let waited = self.began.elapsed();
            self.events.emit(EventKind::LockObtained { waited });
        }
        Ok(obtained)
    }

    pub(super) fn owner(&self) -> String {
        format!(
            "{} (process {} on {})",
            self.settings.service, self.facts.pid, self.facts.host
        )
    }

    fn not_obtained(&self, snapshot: Snapshot, plan: &Plan) -> Result<Waited, Error> {
        // A run that has not released the lock is still working, even if its lease is over because
        // no other process could write.
        let at_work = |lock: &LockStatus| lock.held || lock.run_id.is_some();
        let owner = snapshot.lock.filter(at_work);
        let mut report = self.report(plan, &Vec::new());
        match self.settings.lock.on_timeout {
            OnLockTimeout::Fail => Err(Error::lock_timeout(owner, report)),
            OnLockTimeout::Continue => {
                report.warnings.push(
                    "the lock was not acquired in time: the run ended without applying anything, as `OnLockTimeout::Continue` asks, and nothing is guaranteed".to_owned(),
                );
                Ok(Waited::Ended(Box::new(report)))
            }
        }
    }
}
