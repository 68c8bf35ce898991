//! Running the changes in the background, each in a lane of the lock of its own.
//!
//! ```text
//! lock, lane of the change, look, lock released; the change; lane released
//! ```
//!
//! A run takes the lane while it has the lock of the start. So no other run applies the changes of
//! the start meanwhile, of any version of the application, and later runs see the lane.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

use super::acquire::Waiting;
use super::execute::outcome::{ExecutionOutcome, RunState};
use super::execute::turns::Turns;
use super::judge::Looks;
use super::mode::Mode;
use super::prepare::Prepared;
use super::report_builder::{Done, conclude};
use super::stage::{Course, OneStage};
use super::stages::PANICKED;
use crate::audit::entry::{Origin, State};
use crate::audit::snapshot::Snapshot;
use crate::audit::store::whole_snapshot;
use crate::lock::backoff::Backoff;
use crate::lock::lease::Lease;
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::decision::Decision;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::run::{Outcome, Report};
use crate::util::error_chain::ErrorChain;

/// The pause between two polls of an instance that waits until an operator resumes a change.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How the work on one change ended.
enum Ended {
    /// The change is applied, or not selected by tags.
    Settled,
    /// Something keeps the change from running.
    Blocked,
    Executed(Box<(ExecutionOutcome, Duration)>),
    /// The run was asked to stop.
    Stopped,
}

/// The locks under which a change begins.
struct Locks {
    startup: Lease,
    lane: Lease,
}

impl Prepared {
    /// Runs the pending changes in the background, one after the other. Waits as long as another
    /// instance works on one of them.
    pub(super) async fn run_background(&self, signals: &StopSignal) -> Result<Report, Error> {
        if self.mode != Mode::Apply {
            let (_, plan) = self.look_at_all().await?;
            return Ok(self.report(&plan, &Vec::new()));
        }
        let stages = &self.pipeline.stages;
        let mut done: Done = stages.iter().map(|_| Vec::new()).collect();
        for (ended, stage) in done.iter_mut().zip(stages) {
            ended.resize_with(stage.changes.len(), || None);
        }
        let run_state = self.each_in_background(&mut done, signals).await?;
        let mut plan = self.look_at_all().await?.1;
        self.note_required(&mut plan).await;
        if run_state == RunState::GoesOn && plan.is_settled() {
            self.note_that_all_is_applied(signals).await;
        }
        conclude(self.report(&plan, &done), run_state, signals)
    }

    /// Runs the changes. An instance that stays polls the changes that an operator has paused.
    async fn each_in_background(
        &self,
        done: &mut Done,
        signals: &StopSignal,
    ) -> Result<RunState, Error> {
        // What is undone from now on stays undone until the next start.
        let since = loop {
            match self.look_at_all().await {
                Ok((_, plan)) => {
                    let seen = plan.steps().filter_map(|step| step.latest.as_ref());
                    break seen.map(|latest| latest.seq).max().unwrap_or(0);
                }
                // The application serves requests meanwhile, and the database comes back.
                Err(error) if error.may_pass() && signals.now() == StopReason::No => {
                    tracing::warn!(%error, "waiting for the database");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                _ = signals.wait(|stop| *stop != StopReason::No) => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        };
        loop {
            let run_state = self.pass(done, since, signals).await?;
            let is_over = !self.stays
                || run_state != RunState::GoesOn
                || signals.now() != StopReason::No
                || !done.iter().flatten().flatten().any(is_paused);
            if is_over {
                return Ok(run_state);
            }
            tokio::select! {
                biased;
                _ = signals.wait(|stop| *stop != StopReason::No) => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Runs each change once, as far as those before it are applied.
    async fn pass(
        &self,
        done: &mut Done,
        since: i64,
        signals: &StopSignal,
    ) -> Result<RunState, Error> {
        let stages = &self.pipeline.stages;
        let mut halted = vec![false; stages.len()];
        for (index, stage) in stages.iter().enumerate() {
            halted[index] = stage.after.iter().any(|before| halted[*before]);
            for (place, change) in stage.changes.iter().enumerate() {
                let selected = self.settings.selects(change);
                if halted[index] || !change.is_background() || !selected {
                    continue;
                }
                match self.once_free((index, place), since, signals).await? {
                    // Another instance has applied a change that was paused here.
                    Ended::Settled => done[index][place] = unless_paused(done[index][place].take()),
                    Ended::Blocked => {
                        halted[index] = true;
                        done[index][place] = unless_paused(done[index][place].take());
                    }
                    Ended::Executed(executed) => {
                        halted[index] |= !executed.0.outcome.is_applied();
                        let run_state = executed.0.run_state.clone();
                        let before = done[index][place].replace(*executed);
                        if before.is_none() && halted[index] {
                            tracing::info!(
                                change.id = change.id,
                                "later changes of the stage are blocked"
                            );
                        }
                        if run_state != RunState::GoesOn {
                            return Ok(run_state);
                        }
                    }
                    Ended::Stopped => return Ok(RunState::GoesOn),
                }
            }
        }
        Ok(RunState::GoesOn)
    }

    async fn look_at_all(&self) -> Result<(Snapshot, Plan), Error> {
        let read = whole_snapshot(&*self.store, &self.settings.service);
        let mut snapshot = self.answered(read).await.map_err(Error::store)?;
        let looks = Looks::of(&snapshot);
        let plan = self.plan(&mut snapshot, looks)?;
        Ok((snapshot, plan))
    }

    /// Runs one change, unless it is applied, once no other instance works on it.
    async fn once_free(
        &self,
        at: (usize, usize),
        since: i64,
        signals: &StopSignal,
    ) -> Result<Ended, Error> {
        let mut pace = Backoff::new(self.settings.lock.poll, &self.run_id);
        let mut waiting = Waiting::default();
        loop {
            if signals.now() != StopReason::No {
                return Ok(Ended::Stopped);
            }
            match self.unless_taken(at, since, &mut waiting, signals).await {
                Ok(Some(ended)) => return Ok(ended),
                Ok(None) => {}
                // The application serves requests meanwhile, and the database comes back.
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, "waiting for the database");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                _ = signals.wait(|stop| *stop != StopReason::No) => {}
                () = tokio::time::sleep(pace.grow()) => {}
            }
        }
    }

    /// Returns `None` if another instance has one of the locks.
    async fn unless_taken(
        &self,
        at: (usize, usize),
        since: i64,
        waiting: &mut Waiting,
        signals: &StopSignal,
    ) -> Result<Option<Ended>, Error> {
        let change = self.pipeline.stages[at.0].changes[at.1];
        let (snapshot, plan) = self.look_at_all().await?;
        if let Some(lock) = snapshot.in_background(change.id) {
            waiting.tell(Some(lock), &self.events);
            return Ok(None);
        }
        if snapshot.is_held() {
            waiting.tell(snapshot.lock.as_ref(), &self.events);
            return Ok(None);
        }
        let step = &plan.stages[at.0][at.1];
        if let Some(ended) = nothing_to_do(&plan, at, since).or_else(|| halted(step)) {
            return Ok(Some(ended));
        }
        // The loss of either lock must not end the whole run.
        let (held, own) = (signals.of_another_lock(), signals.of_another_lock());
        let Some(Locks { startup, lane }) = self
            .locks(&snapshot, &plan, change.id, (&held, &own))
            .await?
        else {
            return Ok(None);
        };
        let looked = self.look_at_all().await;
        // Another run could have taken the lock of the start while this process was paused.
        let kept_lock = startup.confirm().await.is_ok();
        self.release(startup, None, None).await;
        let plan = match looked {
            Ok((_, plan)) if kept_lock => plan,
            looked => {
                self.release(lane, None, None).await;
                return looked.map(|_| None);
            }
        };
        let step = &plan.stages[at.0][at.1];
        if let Some(ended) = nothing_to_do(&plan, at, since).or_else(|| halted(step)) {
            self.release(lane, None, None).await;
            return Ok(Some(ended));
        }
        self.execute_in(lane, &plan, at, signals, &own)
            .await
            .map(Some)
    }

    /// Takes the lock, and the lane of a change. Returns `None` if one of them has an owner.
    async fn locks(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
        change_id: &str,
        (held, own): (&StopSignal, &StopSignal),
    ) -> Result<Option<Locks>, Error> {
        let Some(startup) = self.take_the_lock(snapshot, plan, held).await? else {
            return Ok(None);
        };
        let floor = snapshot.floor().max(startup.grant().fencing_token);
        match self.take_lane(change_id, floor, own).await {
            Ok(Some(lane)) => Ok(Some(Locks { startup, lane })),
            other => {
                self.release(startup, None, None).await;
                other.map(|_| None)
            }
        }
    }

    async fn execute_in(
        &self,
        lane: Lease,
        plan: &Plan,
        at: (usize, usize),
        signals: &StopSignal,
        own: &StopSignal,
    ) -> Result<Ended, Error> {
        let turns = Turns::new(self.has_audit_with_one_writer());
        let work = async {
            let course = Course::new(&lane, own, self.executor(&lane, own, &turns));
            let stage = OneStage {
                prepared: self,
                course: &course,
                stage: &self.pipeline.stages[at.0],
                steps: std::slice::from_ref(&plan.stages[at.0][at.1]),
                is_blocked: false,
            };
            let mut ended = stage.run().await;
            let executed = ended.executed.pop().flatten();
            (executed, course.run_state())
        };
        let asked = async {
            signals.wait(|stop| *stop != StopReason::No).await;
            own.ask();
            std::future::pending().await
        };
        let ran = tokio::select! {
            biased;
            ran = AssertUnwindSafe(work).catch_unwind() => ran,
            ran = asked => ran,
        };
        let kept = match &ran {
            Err(_) => Some(PANICKED),
            Ok((_, RunState::Lost(_))) => Some("it is, or may be, another's"),
            Ok((_, RunState::Unknown)) => Some("the outcome of a change is in doubt"),
            Ok((_, RunState::GoesOn)) => None,
        };
        self.release(lane, kept, None).await;
        match ran {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok((Some(executed), run_state)) => {
                let mut executed = executed;
                if executed.0.run_state == RunState::GoesOn {
                    executed.0.run_state = run_state;
                }
                Ok(Ended::Executed(Box::new(executed)))
            }
            Ok((None, RunState::Lost(reason))) => Ok(Ended::Executed(Box::new((
                ExecutionOutcome::lost(reason),
                Duration::ZERO,
            )))),
            Ok((None, RunState::GoesOn | RunState::Unknown)) => Ok(Ended::Stopped),
        }
    }

    /// Records that the whole pipeline is applied, so that the next start reads no entries. A failure
    /// only makes that start take a little longer.
    async fn note_that_all_is_applied(&self, signals: &StopSignal) {
        let held = signals.of_another_lock();
        let noted = async {
            let (snapshot, plan) = self.look_at_all().await?;
            let Some(lease) = self.take_the_lock(&snapshot, &plan, &held).await? else {
                return Ok(());
            };
            // An operator may have undone a change meanwhile: it stays undone until the next start.
            match self.look_at_all().await {
                Ok((_, plan)) if plan.is_settled() => self.run_locked(lease, &held).await.map(drop),
                looked => {
                    self.release(lease, None, None).await;
                    looked.map(drop)
                }
            }
        };
        if let Err(error) = noted.await {
            tracing::debug!(%error, "could not record that all changes are applied");
        }
    }
}

fn is_paused((executed, _): &(ExecutionOutcome, Duration)) -> bool {
    executed.outcome == Outcome::Paused
}

fn unless_paused(
    ended: Option<(ExecutionOutcome, Duration)>,
) -> Option<(ExecutionOutcome, Duration)> {
    ended.filter(|ended| !is_paused(ended))
}

/// Returns how a change ends that must not run; `None` for one that runs.
fn nothing_to_do(plan: &Plan, at: (usize, usize), since: i64) -> Option<Ended> {
    let step = &plan.stages[at.0][at.1];
    match &step.decision {
        Decision::Skip | Decision::Filtered => Some(Ended::Settled),
        _ if is_undone_since(step, since) => {
            let pending = ExecutionOutcome::new(Outcome::Pending);
            Some(Ended::Executed(Box::new((pending, Duration::ZERO))))
        }
        Decision::Issue(_) | Decision::Waits(_) => Some(Ended::Blocked),
        // An undo, or an earlier version of the application, left an earlier change to apply.
        _ if has_open_before(plan, at) => Some(Ended::Blocked),
        Decision::Apply
        | Decision::Again
        | Decision::Verify(_)
        | Decision::Resolve
        | Decision::Later(_) => None,
    }
}

/// Returns the outcome of a change that an operator paused or cancelled.
fn halted(step: &Step) -> Option<Ended> {
    let error = ErrorChain::text(&step.halted()?);
    let halted = ExecutionOutcome::failed(Outcome::Paused, error);
    Some(Ended::Executed(Box::new((halted, Duration::ZERO))))
}

/// Reports whether an undo after this entry has reversed the change.
fn is_undone_since(step: &Step, since: i64) -> bool {
    step.latest.as_ref().is_some_and(|latest| {
        latest.state == State::RolledBack && latest.origin == Origin::Undo && latest.seq > since
    })
}

/// Reports whether a change before this one, which runs at the start, is not applied.
fn has_open_before(plan: &Plan, (stage, place): (usize, usize)) -> bool {
    let before = plan.stages[..stage].iter().flatten();
    let before = before.chain(&plan.stages[stage][..place]);
    let is_settled = |step: &Step| matches!(step.decision, Decision::Skip | Decision::Filtered);
    before
        .filter(|step| !step.definition.is_background())
        .any(|step| !is_settled(step))
}
