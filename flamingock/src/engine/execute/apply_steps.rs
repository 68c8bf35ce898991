//! Applying non-transactional steps one after the other. Each step is recorded before it begins, so
//! that the audit shows after a crash which step was reached. The change is STARTED meanwhile.

use crate::change::step::ObserveSteps as _;
use std::time::{Duration, Instant};

use crate::audit::attempt::Attempt;
use crate::audit::entry::{NewEntry, State, TransactionMode};
use crate::change::body::Step;
use crate::change::step::Direction;
use crate::change::step::place;
use crate::lock::append::AppendError;
use crate::report::run::Outcome;
use crate::target::invocation::{Ended, Invocation};
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;

use super::execution::Execution;
use super::outcome::{ExecutionOutcome, NO_CONNECTION, introduced, with_unrecorded};

/// The deadline for all steps of a change together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    timeout: Option<Duration>,
    began: Instant,
}

impl Deadline {
    pub(super) fn new(timeout: Option<Duration>) -> Deadline {
        Deadline {
            timeout,
            began: Instant::now(),
        }
    }

    /// Returns the invocation with the time that is left.
    pub(super) fn limit<'a>(self, invocation: &Invocation<'a>) -> Invocation<'a> {
        let left = |timeout: Duration| timeout.saturating_sub(self.began.elapsed());
        Invocation {
            timeout: self.timeout.map(left),
            ..invocation.clone()
        }
    }

    /// Returns the error of a change whose time is over.
    pub(super) fn is_over(self) -> Option<ErrorChain> {
        let timeout = self
            .timeout
            .filter(|timeout| self.began.elapsed() >= *timeout)?;
        let ended: Ended<()> = Ended::TimedOut(timeout);
        ended.into_result().err().as_ref().map(chain)
    }

    /// Replaces the remaining time in a timeout by the timeout of the whole change.
    pub(super) fn told(self, ended: Ended<()>) -> Ended<()> {
        match (ended, self.timeout) {
            (Ended::TimedOut(_), Some(timeout)) => Ended::TimedOut(timeout),
            (ended, _) => ended,
        }
    }
}

/// Adds to an entry which step the attempt has reached.
pub(super) fn at(place: &str, entry: NewEntry) -> NewEntry {
    NewEntry {
        reason: Some(place.to_owned()),
        ..entry
    }
}

/// A step that did not succeed.
struct Stopped {
    index: usize,
    /// How many steps, from the first, may have left something behind.
    reached: usize,
    error: ErrorChain,
    /// Whether nothing of the step is running any more.
    has_stopped: bool,
}

impl Stopped {
    /// The step did not run; all steps before it did.
    fn before(index: usize, introduction: &str, error: &ErrorChain) -> Stopped {
        Stopped {
            index,
            reached: index,
            error: introduced(introduction, error),
            has_stopped: true,
        }
    }
}

impl Execution<'_> {
    pub(super) async fn apply_steps(
        &self,
        attempt: &Attempt<'_>,
        steps: &'static [Step],
    ) -> ExecutionOutcome {
        let own = self.own_values();
        let invocation = self.applying(&own);
        let deadline = Deadline::new(self.definition.timeout);
        let mode = TransactionMode::None;
        for (index, step) in steps.iter().enumerate() {
            let place = place(index, steps.len());
            if let Some(error) = deadline.is_over() {
                let stopped = Stopped::before(index, &format!("{place} did not run"), &error);
                return self.step_failed(attempt, steps, stopped).await;
            }
            self.tell_activity(&place);
            let entry = at(&place, attempt.started(mode.clone()));
            if let Err(unwritten) = self.step_recorded(index, entry).await {
                return match (index, unwritten) {
                    (0, unwritten) => self.not_started(attempt, mode, unwritten).await,
                    (_, AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
                    (_, AppendError::Failed(error)) => {
                        let introduction =
                            format!("{place} did not run: its start could not be recorded");
                        let error = ErrorChain::of(&error);
                        let stopped = Stopped::before(index, &introduction, &error);
                        self.step_failed(attempt, steps, stopped).await
                    }
                };
            }
            let began = Instant::now();
            self.step_progress.begin(index, Direction::Forward);
            let called = self.call(&step.apply, &deadline.limit(&invocation)).await;
            let has_stopped = called.has_stopped;
            let (cause, reached) = match deadline.told(called.ended) {
                Ended::Lost(reason) => return ExecutionOutcome::lost(reason),
                Ended::NotRun(cause) if index == 0 => {
                    self.step_progress.remove(index);
                    let error = introduced(NO_CONNECTION, &chain(&cause));
                    let entries = attempt.nothing_left(&mode, Some(error.clone()));
                    return self.recorded(&entries, error, Outcome::RolledBack).await;
                }
                Ended::NotRun(cause) => (Some(cause), index),
                ended => (ended.into_result().err(), index + 1),
            };
            let error = cause.as_ref().map(chain);
            self.step_progress
                .end(index, Direction::Forward, began.elapsed(), error.clone());
            if let Some(error) = error {
                let introduction = Direction::Forward.failed(index, steps.len());
                let stopped = Stopped {
                    index,
                    reached,
                    error: introduced(&introduction, &error),
                    has_stopped,
                };
                return self.step_failed(attempt, steps, stopped).await;
            }
        }
        self.record_applied(attempt, mode).await
    }

    /// Records that a step begins. The first entry may fail, because nothing has happened yet. The
    /// others are retried while the database is not available.
    async fn step_recorded(&self, index: usize, entry: NewEntry) -> Result<(), AppendError> {
        if index == 0 {
            self.executor.append(&[entry]).await.map(drop)
        } else {
            self.executor.append_retrying(&[entry]).await
        }
    }

    async fn step_failed(
        &self,
        attempt: &Attempt<'_>,
        steps: &'static [Step],
        stopped: Stopped,
    ) -> ExecutionOutcome {
        let place_of = |index: usize| place(index, steps.len());
        let lacking = steps.iter().position(|step| step.rollback.is_none());
        let error = match lacking {
            _ if !stopped.has_stopped => stopped
                .error
                .and("it was not rolled back: a part of it may still be running"),
            Some(index) => stopped.error.and(&format!(
                "nothing was rolled back: {} has no rollback",
                place_of(index)
            )),
            None => stopped.error,
        };
        let entry = attempt.entry(State::Failed, TransactionMode::None, Some(error.clone()));
        let entry = at(&place_of(stopped.index), entry);
        match self.executor.append_retrying(&[entry]).await {
            Ok(()) if !stopped.has_stopped || lacking.is_some() => self.without_rollback(error),
            Ok(()) => {
                self.roll_back_steps(attempt, steps, stopped.reached, error)
                    .await
            }
            Err(AppendError::Lost(reason)) => ExecutionOutcome::lost(reason),
            Err(AppendError::Failed(unrecorded)) => {
                ExecutionOutcome::unknown(with_unrecorded(error, Some(unrecorded)))
            }
        }
    }

    /// Sets the activity that waiters see.
    pub(super) fn tell_activity(&self, place: &str) {
        let (order, id) = (self.definition.order, self.definition.id);
        let activity = format!("{order} {id}, {place}");
        self.executor.lease.set_activity(&activity);
    }
}
