//! Undoing changes under the lock.

use std::panic::AssertUnwindSafe;
use tokio::time::Instant;

use futures_util::FutureExt;

use super::acquire::Waiting;
use super::execute::outcome::{ExecutionOutcome, RunState};
use super::execute::turns::Turns;
use super::judge::Looks;
use super::notify::{applied_by, logged};
use super::prepare::Prepared;
use super::report_builder::{change_report, failure, target_reports};
use super::request::events_of;
use super::settings::Settings;
use super::stage::refusal;
use super::stages::{PANICKED, why_kept};
use super::{formats, script_checks};
use crate::audit::entry::Origin;
use crate::audit::snapshot::Snapshot;
use crate::audit::store::{HistoryFilter, whole_snapshot};
use crate::change::problem::Problem;
use crate::listener::{EventKind, Work};
use crate::lock::backoff::Backoff;
use crate::lock::lease::Lease;
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::step::{Step, is_applied};
use crate::plan::steps::Plan;
use crate::plan::undo::{AppliedByRun, Undo, select};
use crate::report::error::Error;
use crate::report::run::{ChangeReport, Outcome, Report, StageReport};
use crate::util::random::new_id;

/// The warning of an undo: nothing else keeps a replica that restarts from applying the changes
/// again.
const PENDING_AGAIN: &str = "instances that have these changes apply them again at their next start: first stop them, or deploy a release without the changes";

/// Returns what an undo would reverse, for an operator.
pub(crate) async fn plan_undo(mut settings: Settings, undo: &Undo) -> Result<Report, Error> {
    settings.listeners.clear();
    formats::find_out(&settings, None).await?;
    let run_id = new_id();
    let events = events_of(&settings, &run_id, Work::Undo);
    let mut prepared = Prepared::new(settings, &run_id, &events).map_err(Error::invalid)?;
    prepared.counts_all = true;
    prepared.plan_undo(undo).await
}

impl Prepared {
    /// Returns what an undo would reverse, without doing it.
    pub(super) async fn plan_undo(&self, undo: &Undo) -> Result<Report, Error> {
        let mut snapshot = self.read().await?;
        let looks = Looks::of(&snapshot);
        let plan = self.plan(&mut snapshot, looks)?;
        let chosen = self.chosen(&plan, undo, &self.applied_by_run(undo).await?)?;
        self.refuse_unfit_rollbacks(&chosen).await?;
        Ok(self.undo_report(&chosen, Vec::new()))
    }

    /// Returns the attempts that the run to undo has applied. Fails for an unknown run, because a
    /// typing error must not look like a run that is undone already.
    async fn applied_by_run(&self, undo: &Undo) -> Result<AppliedByRun, Error> {
        let Some(run_id) = undo.run() else {
            return Ok(AppliedByRun::new());
        };
        let filter = HistoryFilter::default().run(run_id.to_owned());
        let service = &self.settings.service;
        let history = self.answered(self.store.history(service, &filter)).await;
        let entries = history.map_err(Error::store)?;
        if entries.is_empty() {
            return Err(Error::invalid(vec![Problem::general(format!(
                "the service {service:?} has no run {run_id:?} in its audit: nothing was undone. `audit list --history --extended` shows the ids of runs"
            ))]));
        }
        let applied = entries
            .into_iter()
            .filter(|entry| is_applied(&entry.state) && entry.origin != Origin::Undo);
        Ok(applied
            .filter_map(|entry| Some((entry.change_id?, entry.attempt)))
            .collect())
    }

    /// Undoes changes, last first, and stops at the first one that cannot be undone.
    pub(super) async fn undo(&self, target: &Undo, signals: &StopSignal) -> Result<Report, Error> {
        let lease = self.wait_to_undo(target, signals).await?;
        let Some(lease) = lease else {
            return Ok(self.undo_report(&[], Vec::new()));
        };
        let undone = AssertUnwindSafe(self.undo_locked(target, &lease, signals));
        let undone = undone.catch_unwind().await;
        let kept = undone.as_ref().map_or(Some(PANICKED), why_kept);
        self.release(lease, kept, None).await;
        undone.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Waits for the lock. Returns `None` if there is nothing to undo.
    async fn wait_to_undo(
        &self,
        target: &Undo,
        signals: &StopSignal,
    ) -> Result<Option<Lease>, Error> {
        let deadline = self.began + self.settings.lock.wait;
        let mut pace = Backoff::new(self.settings.lock.poll, &self.run_id);
        let mut waiting = Waiting::default();
        loop {
            let mut snapshot = self.read().await?;
            let looks = Looks::of(&snapshot);
            let plan = self.plan(&mut snapshot, looks)?;
            let by_run = self.applied_by_run(target).await?;
            if self.chosen(&plan, target, &by_run)?.is_empty() {
                return Ok(None);
            }
            if !snapshot.is_held()
                && let Some(lease) = self.take_the_lock(&snapshot, &plan, signals).await?
            {
                return Ok(Some(lease));
            }
            if signals.now() != StopReason::No {
                return Err(Error::cancelled(self.undo_report(&[], Vec::new())));
            }
            if Instant::now() >= deadline {
                let owner = snapshot.lock.filter(|lock| lock.held);
                return Err(Error::lock_timeout(
                    owner,
                    self.undo_report(&[], Vec::new()),
                ));
            }
            waiting.tell(snapshot.lock.as_ref(), &self.events);
            tokio::time::sleep(pace.grow()).await;
        }
    }

    /// Selects the changes to undo, and checks that all of them can be undone.
    fn chosen<'a>(
        &self,
        plan: &'a Plan,
        undo: &Undo,
        by_run: &AppliedByRun,
    ) -> Result<Vec<&'a Step>, Error> {
        let chosen = select(plan, undo, by_run).map_err(Error::invalid)?;
        let problems = script_checks::check_rollbacks(&chosen, &self.targets);
        if problems.is_empty() {
            Ok(chosen)
        } else {
            Err(Error::invalid(problems))
        }
    }

    async fn read(&self) -> Result<Snapshot, Error> {
        let snapshot = whole_snapshot(&*self.store, &self.settings.service);
        self.answered(snapshot).await.map_err(Error::store)
    }

    async fn undo_locked(
        &self,
        undo: &Undo,
        lease: &Lease,
        signals: &StopSignal,
    ) -> Result<Report, Error> {
        let mut snapshot = self.read().await?;
        let plan = self.plan(&mut snapshot, Looks::Settled)?;
        let chosen = self.chosen(&plan, undo, &self.applied_by_run(undo).await?)?;
        let ids = chosen.iter().map(|step| step.definition.id);
        let closed = self.close_lanes(ids, &snapshot).await?;
        let plan = match closed {
            true => self.plan(&mut self.read().await?, Looks::Settled)?,
            false => plan.clone(),
        };
        let chosen = self.chosen(&plan, undo, &self.applied_by_run(undo).await?)?;
        self.refuse_unfit_rollbacks(&chosen).await?;
        self.events.emit(EventKind::Planned {
            changes: chosen.len(),
        });
        let turns = Turns::default();
        let executor = self.executor(lease, signals, &turns);
        let mut done = Vec::new();
        for step in &chosen {
            lease.refresh().await;
            let unready = match refusal(lease, step.definition.rollback, step.definition.timeout) {
                Some(refused) => Some(refused),
                None => self.unready(step, Some(lease), signals).await,
            };
            if signals.now() != StopReason::No {
                break;
            }
            if let Some(error) = unready {
                done.push(self.not_started(step, applied_by(step), error));
                break;
            }
            lease.set_activity(&format!("undoing {}", step.definition.id));
            let began = Instant::now();
            let attempt = applied_by(step);
            self.tell_start(step, attempt);
            let executed = logged(step.definition, attempt, executor.undo(step)).await;
            let goes_on = executed.outcome == Outcome::Undone;
            let ended = (executed, began.elapsed());
            self.tell_end(step, attempt, &ended);
            done.push(ended);
            if !goes_on {
                break;
            }
        }
        let run_state = match (done.last(), signals.now()) {
            (Some((ExecutionOutcome { run_state, .. }, _)), _)
                if *run_state != RunState::GoesOn =>
            {
                run_state.clone()
            }
            (_, StopReason::Lost(reason)) => RunState::Lost(reason),
            (_, StopReason::No | StopReason::Asked) => RunState::GoesOn,
        };
        match failure(self.undo_report(&chosen, done), run_state, signals) {
            Ok(error) => Err(error),
            Err(report) if report.changes().any(|change| change.issue.is_some()) => {
                Err(Error::issues(*report))
            }
            Err(report) => Ok(*report),
        }
    }

    /// Builds the report of an undo: only the changes to undo, in the order of the undo.
    fn undo_report(
        &self,
        chosen: &[&Step],
        done: Vec<(ExecutionOutcome, std::time::Duration)>,
    ) -> Report {
        let mut done = done.into_iter();
        let mut stages: Vec<StageReport> = Vec::new();
        for step in chosen {
            let executed = done.next();
            let mut change = change_report(step, executed.as_ref(), false);
            if executed.is_none() {
                // What a run would do about it does not matter to an undo.
                change.outcome = Outcome::NotReached;
                change.error = None;
                change.issue = None;
            }
            match stages
                .last_mut()
                .filter(|stage| stage.name == step.definition.stage)
            {
                Some(stage) => stage.changes.push(change),
                None => stages.push(StageReport {
                    name: step.definition.stage.to_owned(),
                    changes: vec![change],
                }),
            }
        }
        let undone = |change: &ChangeReport| change.outcome == Outcome::Undone;
        let is_undone = stages.iter().flat_map(|stage| &stage.changes).any(undone);
        Report {
            run_id: self.run_id.clone(),
            service: self.settings.service.clone(),
            stages,
            targets: target_reports(&self.settings, &self.pipeline),
            missing: Vec::new(),
            warnings: is_undone
                .then(|| PENDING_AGAIN.to_owned())
                .into_iter()
                .collect(),
            duration: self.began.elapsed(),
        }
    }
}
