//! Running one stage: its changes one after the other, or all of them in one transaction.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Instrument, Span};

use super::execute::executor::Executor;
use super::execute::outcome::{ExecutionOutcome, RunState};
use super::notify::{log_outcome, logged};
use super::prepare::Prepared;
use crate::change::argument::Need;
use crate::change::body::Body;
use crate::listener::EventKind;
use crate::lock::lease::Lease;
use crate::lock::stop::{StopReason, StopSignal};
use crate::plan::decision::Decision;
use crate::plan::pipeline::PlacedStage;
use crate::plan::step::Step;
use crate::util::error_chain::ErrorChain;

/// Everything that the stages of a run share.
pub(super) struct Course<'a> {
    lease: &'a Lease,
    signals: &'a StopSignal,
    executor: Executor<'a>,
    run_state: Mutex<RunState>,
    /// What is running now, in the order in which it began.
    works: Mutex<Vec<String>>,
}

impl<'a> Course<'a> {
    pub(super) fn new(lease: &'a Lease, signals: &'a StopSignal, executor: Executor<'a>) -> Self {
        Course {
            lease,
            signals,
            executor,
            run_state: Mutex::new(RunState::GoesOn),
            works: Mutex::default(),
        }
    }

    pub(super) fn run_state(&self) -> RunState {
        let run_state = self
            .run_state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        run_state.clone()
    }

    /// Records the consequence of a change for the run. The loss of the lock takes precedence.
    fn learn(&self, run_state: &RunState) {
        let mut known = self
            .run_state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match run_state {
            RunState::GoesOn => {}
            RunState::Lost(_) => known.clone_from(run_state),
            RunState::Unknown if *known == RunState::GoesOn => *known = RunState::Unknown,
            RunState::Unknown => {}
        }
    }

    /// Reports whether another change may run.
    fn goes_on(&self) -> bool {
        self.run_state() == RunState::GoesOn
    }

    /// Adds to the activity that waiters see from the next renewal on.
    fn begins(&self, what: String) {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.push(what);
        self.lease.set_activity(&works.join(", "));
    }

    fn ends(&self, what: &str) {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = works.iter().position(|one| one == what) {
            works.remove(place);
        }
        if !works.is_empty() {
            self.lease.set_activity(&works.join(", "));
        }
    }
}

/// A stage of a run.
pub(super) struct OneStage<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) course: &'a Course<'a>,
    pub(super) stage: &'a PlacedStage,
    pub(super) steps: &'a [Step],
    /// Whether a stage before it has not succeeded.
    pub(super) is_blocked: bool,
}

/// The result of a stage.
pub(super) struct StageEnded {
    /// The outcomes by the position of the change; `None` for a change that was not reached.
    pub(super) executed: Vec<Option<(ExecutionOutcome, Duration)>>,
    /// Whether the stage has not succeeded.
    pub(super) halted: bool,
    /// When the first change of the stage began.
    began: Option<Instant>,
}

impl OneStage<'_> {
    pub(super) async fn run(&self) -> StageEnded {
        let has_issue = self
            .steps
            .iter()
            .any(|step| matches!(step.decision, Decision::Issue(_)));
        let mut ended = StageEnded {
            executed: self.steps.iter().map(|_| None).collect(),
            halted: self.is_blocked || has_issue,
            began: None,
        };
        let waits = |step: &Step| matches!(step.decision, Decision::Waits(_));
        let first_waiting = self.steps.iter().position(waits);
        // The changes of an atomic stage are applied together.
        if ended.halted || (self.stage.atomic && first_waiting.is_some()) {
            ended.halted = true;
            return ended;
        }
        let places: Vec<usize> = (0..first_waiting.unwrap_or(self.steps.len()))
            .filter(|place| is_work(&self.steps[*place]))
            .collect();
        if places.is_empty() {
            ended.halted = first_waiting.is_some();
            return ended;
        }
        let span = tracing::info_span!("stage", stage = self.stage.name);
        if self.stage.atomic {
            self.run_together(&places, &mut ended)
                .instrument(span)
                .await;
        } else {
            self.run_in_order(&places, &span, &mut ended).await;
        }
        ended.halted |= first_waiting.is_some();
        if let Some(began) = ended.began {
            self.prepared.events.emit(EventKind::StageEnded {
                stage: self.stage.name.clone(),
                halted: ended.halted,
                duration: began.elapsed(),
            });
        }
        ended
    }

    async fn run_in_order(&self, places: &[usize], span: &Span, ended: &mut StageEnded) {
        let prepared = self.prepared;
        for (index, place) in places.iter().enumerate() {
            let step = &self.steps[*place];
            match self.ready(step, ended, *place).await {
                Ready::Yes => {}
                Ready::No => return,
            }
            if let Some(next) = places.get(index + 1) {
                if index == 0 {
                    self.expect(step);
                }
                self.expect(&self.steps[*next]);
            }
            self.tell_start(ended);
            let what = activity(step);
            self.course.begins(what.clone());
            let began = Instant::now();
            prepared.tell_start(step, step.attempt);
            let work = self.course.executor.execute(step);
            let executed = logged(step.definition, step.attempt, work)
                .instrument(span.clone())
                .await;
            self.course.ends(&what);
            let executed = (executed, began.elapsed());
            if self.note(step, executed, ended, *place) {
                return;
            }
        }
    }

    /// Opens the connection of the next change in advance.
    fn expect(&self, step: &Step) {
        let (body, target) = (&step.definition.body, step.definition.target);
        let takes_connection = body.needs.iter().any(Need::is_connection);
        let target = self.prepared.targets.get(target);
        let database = target.and_then(|target| target.database.as_ref());
        let is_sure = matches!(step.decision, Decision::Apply | Decision::Again);
        if let Some(database) = database.filter(|_| is_sure && takes_connection) {
            database.expect(body);
        }
    }

    /// Runs all pending changes in one transaction.
    async fn run_together(&self, places: &[usize], ended: &mut StageEnded) {
        let prepared = self.prepared;
        for place in places {
            // One answer for each target system is enough.
            match self.ready(&self.steps[*place], ended, *place).await {
                Ready::Yes => {}
                Ready::No => return,
            }
        }
        self.tell_start(ended);
        let steps: Vec<&Step> = places.iter().map(|place| &self.steps[*place]).collect();
        let what = format!("the atomic stage {}", self.stage.name);
        self.course.begins(what.clone());
        let told: Vec<std::sync::Once> = steps.iter().map(|_| std::sync::Once::new()).collect();
        let begins = |index: usize| {
            // A change that is tried again is sent only once.
            told[index].call_once(|| prepared.tell_start(steps[index], steps[index].attempt));
        };
        let all = self.course.executor.execute_together(&steps, &begins).await;
        self.course.ends(&what);
        for (((step, place), executed), told) in steps.into_iter().zip(places).zip(all).zip(told) {
            if let Some((executed, took)) = executed {
                log_outcome(step.definition, step.attempt, &executed, took);
                self.note(step, (executed, took), ended, *place);
            } else if told.is_completed() {
                // Files are sent as a single message: this one came after the one that failed.
                prepared.tell_not_reached(step);
            }
        }
    }

    /// Reports whether a change may run now, and records why not.
    async fn ready(&self, step: &Step, ended: &mut StageEnded, place: usize) -> Ready {
        let Course { lease, signals, .. } = *self.course;
        if !self.course.goes_on() {
            return Ready::No;
        }
        lease.refresh().await;
        let definition = step.definition;
        let unready = match refusal(lease, Some(&definition.body), definition.timeout) {
            Some(refused) => Some(refused),
            None => self.prepared.unready(step, Some(lease), signals).await,
        };
        match signals.now() {
            StopReason::No => {}
            StopReason::Asked => return Ready::No,
            StopReason::Lost(reason) => {
                self.course.learn(&RunState::Lost(reason));
                return Ready::No;
            }
        }
        let Some(error) = unready else {
            return Ready::Yes;
        };
        ended.halted = true;
        ended.executed[place] = Some(self.prepared.not_started(step, step.attempt, error));
        Ready::No
    }

    /// Records the outcome of a change. Returns whether the stage stops there.
    fn note(
        &self,
        step: &Step,
        executed: (ExecutionOutcome, Duration),
        ended: &mut StageEnded,
        place: usize,
    ) -> bool {
        ended.halted |= !executed.0.outcome.is_applied();
        self.course.learn(&executed.0.run_state);
        self.prepared.tell_end(step, step.attempt, &executed);
        ended.executed[place] = Some(executed);
        ended.halted || !self.course.goes_on()
    }

    /// Sends once that the stage has started.
    fn tell_start(&self, ended: &mut StageEnded) {
        ended.began.get_or_insert_with(|| {
            let stage = self.stage.name.clone();
            self.prepared.events.emit(EventKind::StageStarted { stage });
            Instant::now()
        });
    }
}

/// Returns why a non-transactional function must not be called: the lease might not be renewed for
/// as long as it may take.
pub(super) fn refusal(
    lease: &Lease,
    body: Option<&Body<()>>,
    timeout: Option<Duration>,
) -> Option<ErrorChain> {
    body.filter(|body| !body.transaction)?;
    lease.refuses(timeout)
}

/// Whether a change may run.
enum Ready {
    Yes,
    No,
}

/// Reports whether there is something to do.
fn is_work(step: &Step) -> bool {
    !matches!(
        step.decision,
        Decision::Skip | Decision::Filtered | Decision::Later(_)
    )
}

fn activity(step: &Step) -> String {
    format!("{} {}", step.definition.order, step.definition.id)
}
