//! Running the stages under the lock.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use tracing::Instrument;

use super::account::{Done, conclude};
use super::{Looks, Prepared};
use crate::adopt::Places;
use crate::audit::Snapshot;
use crate::call::{Signals, Stop};
use crate::decision::Decision;
use crate::error::Error;
use crate::execute::{Executed, Executor, Fate};
use crate::listener::Happened;
use crate::lock::Lease;
use crate::plan::Note;
use crate::report::Report;
use crate::runner::Mode;
use crate::target::TargetSystem;

struct Ran {
    result: Result<Report, Error>,
    leaves_nothing_to_note: bool,
}

impl Prepared {
    /// Reads again under the lock, runs, and gives the lock back whatever happens.
    pub(super) async fn run_locked(
        &self,
        lease: Lease,
        signals: &Signals,
    ) -> Result<Report, Error> {
        let ran = AssertUnwindSafe(self.run_stages(&lease, signals))
            .catch_unwind()
            .await;
        let (result, digest) = match ran {
            Ok(Ok(ran)) => {
                let digest = ran.result.is_ok() && ran.leaves_nothing_to_note;
                (Ok(ran.result), digest.then_some(self.digest.as_str()))
            }
            Ok(Err(error)) => (Ok(Err(error)), None),
            Err(panic) => (Err(panic), None),
        };
        let lost = matches!(result, Ok(Err(Error::LeaseLost { .. })));
        self.give_back(lease, lost, digest).await;
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(super) fn executor<'a>(&'a self, lease: &'a Lease, signals: &'a Signals) -> Executor<'a> {
        Executor {
            store: &*self.store,
            lease,
            lock: self.settings.lock,
            signals,
            targets: &self.targets,
            values: &self.settings.values,
            facts: &self.facts,
        }
    }

    fn places<'a>(&'a self, targets: &'a [&'a TargetSystem]) -> Places<'a> {
        Places {
            adoptions: &self.settings.adoptions,
            targets,
            pipeline: &self.pipeline,
            facts: &self.facts,
        }
    }

    /// A run that only looks shows what a run would take over as applied.
    pub(super) async fn foresee(&self, snapshot: &mut Snapshot) -> Result<(), Error> {
        let looks = matches!(self.mode, Mode::Check | Mode::Plan);
        if looks && !self.settings.adoptions.is_empty() && snapshot.newest.is_empty() {
            let targets: Vec<_> = self.targets.values().collect();
            snapshot.newest = self.places(&targets).foresee().await?;
        }
        Ok(())
    }

    /// What is so now that nobody else writes, once what others have applied is taken over.
    async fn look_under_the_lock(&self, lease: &Lease) -> Result<Snapshot, Error> {
        let service = &self.settings.service;
        let look = || async {
            let snapshot = self.store.snapshot(service, "").await;
            snapshot.map_err(Error::store)
        };
        let snapshot = look().await?;
        if self.settings.adoptions.is_empty() || !snapshot.newest.is_empty() {
            return Ok(snapshot);
        }
        let targets: Vec<_> = self.targets.values().collect();
        let places = self.places(&targets);
        match places.adopt(&*self.store, lease.possession()).await? {
            0 => Ok(snapshot),
            _ => look().await,
        }
    }

    /// Gives the lock back, unless it is another's.
    pub(super) async fn give_back(&self, lease: Lease, lost: bool, digest: Option<&str>) {
        if lost {
            lease.forget().await;
            return;
        }
        match lease.release(digest).await {
            Ok(()) => {
                tracing::debug!("lock given back");
                self.events.tell(Happened::LockReleased);
            }
            Err(error) => {
                let error = crate::audit::ErrorChain::of(&error);
                tracing::warn!(%error, "the lock was not given back: it is free when its lease ends");
            }
        }
    }

    async fn run_stages(&self, lease: &Lease, signals: &Signals) -> Result<Ran, Error> {
        let snapshot = self.look_under_the_lock(lease).await?;
        let plan = self.plan_to_run(&snapshot, Looks::Settled)?;
        self.tell_plan(&plan);
        let executor = self.executor(lease, signals);
        let mut done: Done = Vec::new();
        let mut halted = vec![false; plan.stages.len()];
        let mut fate = Fate::GoesOn;
        for (index, steps) in plan.stages.iter().enumerate() {
            let stage = &self.pipeline.stages[index];
            let has_issue = steps
                .iter()
                .any(|step| matches!(step.decision, Decision::Issue(_)));
            halted[index] = has_issue || stage.after.iter().any(|before| halted[*before]);
            let mut executed = Vec::new();
            let mut started = None;
            let span = tracing::info_span!("stage", name = stage.name);
            for step in steps {
                let works = !matches!(step.decision, Decision::Skip | Decision::Filtered);
                if !works || halted[index] || fate != Fate::GoesOn {
                    executed.push(None);
                    continue;
                }
                lease.refresh(signals).await;
                let unready = self.unready(step, Some(lease), signals).await;
                match signals.now() {
                    Stop::No => {}
                    Stop::Asked => {
                        executed.push(None);
                        continue;
                    }
                    Stop::Lost(reason) => {
                        fate = Fate::Lost(reason);
                        executed.push(None);
                        continue;
                    }
                }
                if let Some(error) = unready {
                    halted[index] = true;
                    executed.push(Some(self.not_started(step, step.attempt, error)));
                    continue;
                }
                lease.set_activity(&format!("{} {}", step.definition.order, step.definition.id));
                let began = Instant::now();
                started.get_or_insert_with(|| {
                    let stage = stage.name.clone();
                    self.events.tell(Happened::StageStarted { stage });
                    began
                });
                self.tell_start(step, step.attempt);
                let ended = logged(step.definition.id, step.attempt, executor.execute(step))
                    .instrument(span.clone())
                    .await;
                halted[index] = !ended.outcome.is_applied();
                if ended.fate != Fate::GoesOn {
                    fate = ended.fate.clone();
                }
                let ended = (ended, began.elapsed());
                self.tell_end(step, step.attempt, &ended);
                executed.push(Some(ended));
            }
            if let Some(began) = started {
                self.events.tell(Happened::StageEnded {
                    stage: stage.name.clone(),
                    halted: halted[index],
                    duration: began.elapsed(),
                });
            }
            done.push(executed);
        }
        let report = self.report(&plan, &done);
        let leaves_nothing_to_note = report.missing.is_empty()
            && report
                .changes()
                .flat_map(|change| &change.notes)
                .all(|note| match note {
                    Note::Drifted { .. } => false,
                    Note::Again { .. }
                    | Note::OutOfOrder { .. }
                    | Note::Retried { .. }
                    | Note::CommittedMidway
                    | Note::FoundApplied
                    | Note::Running
                    | Note::Undone => true,
                });
        Ok(Ran {
            result: conclude(report, fate, signals),
            leaves_nothing_to_note,
        })
    }
}

/// What is done with one change, in a span of its own.
pub(super) async fn logged(
    id: &str,
    attempt: u32,
    work: impl Future<Output = Executed>,
) -> Executed {
    let span = tracing::info_span!("change", id, attempt);
    span.in_scope(|| tracing::debug!("begins"));
    let executed = work.instrument(span.clone()).await;
    let _entered = span.enter();
    match &executed.error {
        None => tracing::info!("{}", executed.outcome),
        Some(error) => tracing::error!(%error, "{}", executed.outcome),
    }
    executed
}
