//! Running the stages under the lock, and releasing it.

use std::panic::AssertUnwindSafe;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::execute::executor::Executor;
use super::execute::turns::Turns;
use super::judge::Looks;
use super::mode::Mode;
use super::prepare::Prepared;
use super::report_builder::{Done, conclude};
use super::stage::{Course, OneStage};
use crate::adopt::histories::Places;
use crate::audit::snapshot::Snapshot;
use crate::audit::store::whole_snapshot;
use crate::listener::EventKind;
use crate::lock::lease::Lease;
use crate::lock::stop::StopSignal;
use crate::plan::note::Note;
use crate::plan::steps::Plan;
use crate::report::error::{Error, ErrorKind};
use crate::report::run::Report;
use crate::target::system::TargetSystem;

/// The warning of a run that had only one connection.
const ALONE: &str = "the database gave no second connection: the lease was renewed between changes only, so that a change that takes longer than it can be taken over";

struct Ran {
    result: Result<Report, Error>,
    leaves_nothing_to_note: bool,
}

impl Prepared {
    /// Reads again under the lock, runs the stages, and releases the lock in every case.
    pub(super) async fn run_locked(
        &self,
        lease: Lease,
        signals: &StopSignal,
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
        let kept = result.as_ref().map_or(Some(PANICKED), why_kept);
        self.release(lease, kept, digest).await;
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(super) fn executor<'a>(
        &'a self,
        lease: &'a Lease,
        signals: &'a StopSignal,
        turns: &'a Turns,
    ) -> Executor<'a> {
        Executor {
            turns,
            store: &*self.store,
            lease,
            lock: self.settings.lock,
            signals,
            targets: &self.targets,
            values: &self.settings.values,
            secrets: &self.settings.secrets,
            facts: &self.facts,
            events: &self.events,
            pace: &self.settings.pace,
        }
    }

    pub(super) fn has_audit_with_one_writer(&self) -> bool {
        self.targets.values().any(keeps_audit_with_one_writer)
    }

    fn places<'a>(&'a self, targets: &'a [&'a TargetSystem]) -> Places<'a> {
        Places {
            adoptions: &self.settings.adoptions,
            targets,
            pipeline: &self.pipeline,
            facts: &self.facts,
        }
    }

    pub(super) fn only_looks(&self) -> bool {
        matches!(self.mode, Mode::Check | Mode::Plan)
    }

    /// Shows the changes that a run would adopt as applied, in a run that only reads.
    pub(super) async fn foresee(&self, snapshot: &mut Snapshot) -> Result<(), Error> {
        if self.only_looks() && !self.settings.adoptions.is_empty() && snapshot.latest.is_empty() {
            let targets: Vec<_> = self.targets.values().collect();
            snapshot.latest = self.places(&targets).foresee().await?;
        }
        Ok(())
    }

    /// Reports whether this run adopts the history of other tools once it has the lock.
    pub(super) fn adopts_first(&self, snapshot: &Snapshot) -> bool {
        !self.only_looks() && !self.settings.adoptions.is_empty() && snapshot.latest.is_empty()
    }

    /// Reads the state while no other run can write, after adopting the history of other tools.
    async fn look_under_the_lock(&self, lease: &Lease) -> Result<Snapshot, Error> {
        let service = &self.settings.service;
        let look = || async {
            let snapshot = self.answered(whole_snapshot(&*self.store, service)).await;
            snapshot.map_err(Error::store)
        };
        let snapshot = look().await?;
        if self.settings.adoptions.is_empty() || !snapshot.latest.is_empty() {
            return Ok(snapshot);
        }
        let targets: Vec<_> = self.targets.values().collect();
        let places = self.places(&targets);
        match places.adopt(&*self.store, lease.grant()).await? {
            0 => Ok(snapshot),
            _ => look().await,
        }
    }

    /// Releases the lock, unless it must stay taken until its lease ends.
    pub(super) async fn release(
        &self,
        lease: Lease,
        kept: Option<&'static str>,
        digest: Option<&str>,
    ) {
        if let Some(reason) = kept {
            tracing::warn!(reason, "lock not released: it is free when its lease ends");
            lease.forget().await;
            return;
        }
        match lease.release(digest).await {
            Ok(()) => {
                tracing::debug!("lock released");
                self.events.emit(EventKind::LockReleased);
            }
            Err(error) => {
                let error = crate::util::error_chain::ErrorChain::of(&error);
                tracing::warn!(%error, "lock not released: it is free when its lease ends");
            }
        }
    }

    async fn run_stages(&self, lease: &Lease, signals: &StopSignal) -> Result<Ran, Error> {
        let mut snapshot = self.look_under_the_lock(lease).await?;
        let mut plan = self.plan_to_run(&mut snapshot, Looks::Settled)?;
        let pending = plan.steps().filter(|step| step.is_pending());
        let ids = pending.map(|step| step.definition.id);
        if self.close_lanes(ids, &snapshot).await? {
            snapshot = self.look_under_the_lock(lease).await?;
            plan = self.plan_to_run(&mut snapshot, Looks::Settled)?;
        }
        self.note_required(&mut plan).await;
        self.refuse_unfit_scripts(&plan).await?;
        self.tell_plan(&plan);
        let turns = Turns::new(self.has_audit_with_one_writer());
        let course = Course::new(lease, signals, self.executor(lease, signals, &turns));
        let done = self.run_in_their_order(&course, &plan).await;
        let run_state = course.run_state();
        let mut report = self.report(&plan, &done);
        if lease.is_alone() {
            report.warnings.push(ALONE.to_owned());
        }
        let leaves_nothing_to_note = !plan.has_background_work()
            && report.missing.is_empty()
            && report
                .changes()
                .flat_map(|change| &change.notes)
                .all(|note| match note {
                    // The version that was found may be older than the code: the next run compares.
                    Note::Drifted { .. } | Note::FoundApplied => false,
                    Note::Again { .. }
                    | Note::OutOfOrder { .. }
                    | Note::Retried { .. }
                    | Note::CommittedMidway
                    | Note::Reached { .. }
                    | Note::Progress(_)
                    | Note::ProgressUnknown { .. }
                    | Note::Running
                    | Note::SessionOptions { .. }
                    | Note::Undone => true,
                });
        Ok(Ran {
            result: conclude(report, run_state, signals),
            leaves_nothing_to_note,
        })
    }

    /// Runs each stage once the stages before it have ended, as many in parallel as allowed.
    async fn run_in_their_order(&self, course: &Course<'_>, plan: &Plan) -> Done {
        let side_by_side = self.side_by_side();
        let stages = &self.pipeline.stages;
        let mut done: Done = plan.stages.iter().map(|_| Vec::new()).collect();
        let mut halted: Vec<Option<bool>> = vec![None; stages.len()];
        let mut waiting: Vec<usize> = (0..stages.len()).collect();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < side_by_side {
                let has_ended = |before: &usize| halted[*before].is_some();
                let ready = waiting
                    .iter()
                    .position(|stage| stages[*stage].after.iter().all(has_ended));
                let Some(ready) = ready else {
                    break;
                };
                let index = waiting.remove(ready);
                let mut before = stages[index].after.iter();
                let is_blocked = before.any(|before| halted[*before] == Some(true));
                let stage = OneStage {
                    prepared: self,
                    course,
                    stage: &stages[index],
                    steps: &plan.stages[index],
                    is_blocked,
                };
                running.push(async move { (index, stage.run().await) });
            }
            let Some((index, ended)) = running.next().await else {
                return done;
            };
            halted[index] = Some(ended.halted);
            done[index] = ended.executed;
        }
    }

    /// Returns how many stages may run in parallel: each of them needs a connection, and the audit
    /// needs another one meanwhile.
    fn side_by_side(&self) -> usize {
        let databases = self.targets.values().flat_map(|target| &target.database);
        let connections = databases.map(|database| database.connections().saturating_sub(1).max(1));
        let most = connections.min().unwrap_or(usize::MAX);
        self.settings.parallel_stages.min(most)
    }
}

/// The reason not to release the lock after a panic of the engine: its work may still go on.
pub(super) const PANICKED: &str = "the run panicked";

/// Returns why the lock must not be released after this result. A released lock would tell the next
/// owner that nothing of this run is unfinished, and it would repeat what may still be committed.
pub(super) fn why_kept(result: &Result<Report, Error>) -> Option<&'static str> {
    let error = result.as_ref().err()?;
    match error.kind() {
        ErrorKind::InDoubt => Some("the outcome of a change is in doubt"),
        _ if error.lost().is_some() => Some("it is, or may be, another's"),
        _ => None,
    }
}

fn keeps_audit_with_one_writer(target: &TargetSystem) -> bool {
    let database = target.database.as_ref().filter(|_| target.holds_audit);
    database.is_some_and(|database| database.is_single_writer())
}
