//! What happens between two batches: the requests of operators, throttles and pauses.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::control::{ControlChange, ControlRequest, ProgressControl};
use crate::audit::entry::{Facts, NewEntry, Origin};
use crate::audit::progress::Progress;
use crate::audit::store_error::StoreError;
use crate::change::batch::committed;
use crate::change::pace::SizeLimits;
use crate::lock::stop::StopReason;
use crate::report::run::Outcome;
use crate::util::error_chain::ErrorChain;

use super::batch_work::BatchWork;
use super::execution::Execution;
use super::outcome::{ExecutionOutcome, introduced};

/// How often throttles are asked, and operators' requests are read, while the next batch waits.
const LOOK: Duration = Duration::from_secs(1);

/// Longer than the longest pause after which SQLite tries again to write.
const LONGEST_GAP: Duration = Duration::from_millis(125);

/// Others that poll would hardly find a shorter one.
const SHORTEST_GAP: Duration = Duration::from_millis(10);

/// How long a throttle may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const NOT_READ: &str = "the next batch did not run: it could not be read what operators ask for";

/// How large the next batch is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) size: i64,
    pub(super) limits: Option<SizeLimits>,
}

impl Execution<'_> {
    /// Waits until the next batch may begin. Returns the outcome if it may not. `last` is how long the
    /// last batch of this run took.
    pub(super) async fn until_next_batch(
        &self,
        work: &BatchWork<'_>,
        progress: &Progress,
        last: Option<Duration>,
        owed: &mut Duration,
    ) -> Result<Size, Box<ExecutionOutcome>> {
        let pace = self.executor.pace;
        let mut pause = None;
        let mut told: Option<String> = None;
        loop {
            let control = match self.control(work).await {
                Ok(control) => control,
                Err(error) => {
                    let error = introduced(NOT_READ, &ErrorChain::of(&error));
                    return Err(Box::new(self.batch_failed(work, error).await));
                }
            };
            let request = control.as_ref().and_then(|one| one.request.as_ref());
            // An undo that has begun is to be completed.
            if let Some(request) = request.filter(|_| !work.claim.rolls_back) {
                let halted = self.halt(work, progress, request).await;
                return Err(Box::new(halted));
            }
            let is_halted = control.as_ref().is_some_and(|one| one.state.is_halted());
            if is_halted && !work.claim.rolls_back {
                return Err(Box::new(self.halted(progress)));
            }
            if self.executor.signals.now() != StopReason::No {
                return Err(Box::new(self.stopped_between(work, progress).await));
            }
            let left = pause.get_or_insert_with(|| match last {
                None => Duration::ZERO,
                Some(took) => {
                    let set = control.as_ref().and_then(|one| one.pause);
                    set.unwrap_or(pace.pause).max(self.gap(work, took, owed))
                }
            });
            if !left.is_zero() {
                let part = (*left).min(LOOK);
                *left -= part;
                self.sleep(part).await;
                continue;
            }
            let Some(reason) = self.reason_to_wait().await else {
                if told.is_some() {
                    self.tell_wait(work, None).await;
                }
                let fixed = control.and_then(|one| one.size);
                return Ok(match fixed {
                    Some(size) => Size { size, limits: None },
                    None => Size {
                        size: progress.size.unwrap_or_else(|| pace.limits.first()),
                        limits: Some(pace.limits),
                    },
                });
            };
            if told.as_ref() != Some(&reason) {
                tracing::info!(change.id = self.definition.id, reason, "batch waits");
                self.tell_wait(work, Some(reason.clone())).await;
                told = Some(reason);
            }
            self.sleep(LOOK).await;
        }
    }

    /// Returns how long others must be able to write between two batches. Where one connection writes
    /// at a time, the others poll, and would find it busy again and again.
    /// After short batches the time is `owed`, until it is worth a pause.
    fn gap(&self, work: &BatchWork<'_>, took: Duration, owed: &mut Duration) -> Duration {
        match self.place(work.body) {
            Some(database) if database.is_single_writer() => {
                *owed += (took / 8).min(LONGEST_GAP);
                match *owed < SHORTEST_GAP {
                    true => Duration::ZERO,
                    false => std::mem::take(owed),
                }
            }
            _ => Duration::ZERO,
        }
    }

    async fn sleep(&self, time: Duration) {
        tokio::select! {
            biased;
            _ = self.executor.signals.wait(|stop| *stop != StopReason::No) => {}
            () = tokio::time::sleep(time) => {}
        }
    }

    /// Asks the throttles. If one fails or does not answer, the batch waits.
    async fn reason_to_wait(&self) -> Option<String> {
        for throttle in &self.executor.pace.throttles {
            let asked = tokio::time::timeout(PATIENCE, throttle.reason_to_wait());
            let answer = tokio::select! {
                biased;
                _ = self.executor.signals.wait(|stop| *stop != StopReason::No) => return None,
                answer = asked => answer,
            };
            match answer {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(reason))) => return Some(reason),
                Ok(Err(error)) => return Some(format!("the throttle failed: {error}")),
                Err(_) => return Some("the throttle does not answer".to_owned()),
            }
        }
        None
    }

    /// Shows why the next batch waits. A failure is logged only, because the batch waits anyway.
    async fn tell_wait(&self, work: &BatchWork<'_>, reason: Option<String>) {
        let change = ControlChange::Wait(reason);
        if let Err(error) = self.change_control(work, &change).await {
            tracing::warn!(
                change.id = self.definition.id,
                error = %ErrorChain::of(&error),
                "could not show why the batch waits"
            );
        }
    }

    /// Takes up the request of an operator: records it, and sets the state.
    async fn halt(
        &self,
        work: &BatchWork<'_>,
        progress: &Progress,
        request: &ControlRequest,
    ) -> ExecutionOutcome {
        let (mode, attempt) = (self.mode(work.body), work.attempt);
        let facts = Facts {
            operator: request.operator.clone(),
            ..(**attempt.facts).clone()
        };
        let entry = NewEntry {
            origin: Origin::Operator,
            reason: request.reason.clone(),
            origin_facts: Arc::new(facts),
            ..attempt.entry(request.action.entry(), mode, None)
        };
        let (outcome, error) = self.as_halted(progress);
        let recorded = self.recorded(&[entry], error, outcome).await;
        if recorded.outcome != outcome {
            return recorded;
        }
        let state = ControlChange::State {
            state: request.action.state(),
            acted: Some(request.action),
        };
        if let Err(error) = self.change_control(work, &state).await {
            // The request is still there, so the next run takes it up.
            tracing::warn!(
                change.id = self.definition.id,
                error = %ErrorChain::of(&error),
                "could not record that the change is halted"
            );
        }
        recorded
    }

    /// The change does not work until an operator resumes it, which is no failure in the background.
    pub(super) fn halted(&self, progress: &Progress) -> ExecutionOutcome {
        let (outcome, error) = self.as_halted(progress);
        ExecutionOutcome::failed(outcome, error)
    }

    fn as_halted(&self, progress: &Progress) -> (Outcome, ErrorChain) {
        let text = format!(
            "an operator paused or cancelled it: {}, and `batch resume {}` continues",
            committed(progress.batches),
            crate::util::shell::quote(self.definition.id)
        );
        let outcome = match self.definition.is_background() {
            true => Outcome::Paused,
            false => Outcome::Blocked,
        };
        (outcome, ErrorChain::text(&text))
    }

    async fn control(&self, work: &BatchWork<'_>) -> Result<Option<ProgressControl>, StoreError> {
        let (service, id) = (&work.claim.grant.service, &work.claim.change_id);
        match self.place(work.body) {
            Some(database) => database.control(service, id).await,
            None => self.executor.store.control(service, id).await,
        }
    }

    async fn change_control(
        &self,
        work: &BatchWork<'_>,
        change: &ControlChange,
    ) -> Result<(), StoreError> {
        let (service, id) = (&work.claim.grant.service, &work.claim.change_id);
        match self.place(work.body) {
            Some(database) => database.change_control(service, id, change).await,
            None => {
                self.executor
                    .store
                    .change_control(service, id, change)
                    .await
            }
        }
    }
}
