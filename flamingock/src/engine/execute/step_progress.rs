//! The progress of a change through its steps, for the report and the listeners.

use crate::change::step::Direction;
use crate::change::step::ObserveSteps;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::change::definition::Definition;
use crate::listener::{EventKind, EventSink};
use crate::report::run::{StepOutcome, StepReport};
use crate::util::error_chain::ErrorChain;

/// The progress of one attempt through the steps of its change.
#[derive(Debug)]
pub(crate) struct StepProgress {
    definition: &'static Definition,
    events: EventSink,
    steps: Mutex<Vec<StepReport>>,
}

impl StepProgress {
    pub(crate) fn new(definition: &'static Definition, events: &EventSink) -> StepProgress {
        StepProgress {
            definition,
            events: events.clone(),
            steps: Mutex::default(),
        }
    }

    fn steps(&self) -> MutexGuard<'_, Vec<StepReport>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks all steps as applied, because an undo begins with an applied change.
    pub(crate) fn assume_applied(&self, count: usize) {
        let applied = (1..=count).map(|number| StepReport {
            number,
            outcome: StepOutcome::Applied,
            duration: None,
        });
        *self.steps() = applied.collect();
    }

    /// Reports whether no step was rolled back.
    pub(crate) fn is_untouched(&self) -> bool {
        let steps = self.steps();
        steps
            .iter()
            .all(|step| step.outcome == StepOutcome::Applied)
    }

    /// Removes a step that did not run after all.
    pub(crate) fn remove(&self, index: usize) {
        self.steps().truncate(index);
    }

    /// Returns the outcomes of the steps. If the database rolled the change back, that includes
    /// every step.
    pub(crate) fn report(&self, undone: bool) -> Vec<StepReport> {
        let mut steps = self.steps().clone();
        if undone {
            for step in &mut steps {
                step.outcome = StepOutcome::RolledBack;
            }
        }
        steps
    }

    fn count(&self) -> usize {
        self.definition.body.steps().map_or(0, <[_]>::len)
    }
}

impl ObserveSteps for StepProgress {
    /// Returns how many steps have begun.
    #[cfg(feature = "templates")]
    fn reached(&self) -> usize {
        self.steps().len()
    }

    /// Records that a step begins, and forgets what was known of it and of the later ones, because
    /// a transaction that is tried again begins with the first step.
    fn begin(&self, index: usize, direction: Direction) {
        if direction == Direction::Forward {
            let mut steps = self.steps();
            steps.truncate(index);
            steps.push(StepReport {
                number: index + 1,
                outcome: StepOutcome::Failed,
                duration: None,
            });
        }
        self.events.emit(EventKind::StepStarted {
            id: self.definition.id.to_owned(),
            stage: self.definition.stage.to_owned(),
            step: index + 1,
            steps: self.count(),
            rollback: direction == Direction::Backward,
        });
    }

    /// Records that a step has ended.
    fn end(
        &self,
        index: usize,
        direction: Direction,
        duration: Duration,
        error: Option<ErrorChain>,
    ) {
        if let Some(step) = self.steps().get_mut(index) {
            step.outcome = match (direction, &error) {
                (Direction::Forward, None) => StepOutcome::Applied,
                (Direction::Forward, Some(_)) => StepOutcome::Failed,
                (Direction::Backward, None) => StepOutcome::RolledBack,
                (Direction::Backward, Some(_)) => StepOutcome::RollbackFailed,
            };
            if direction == Direction::Forward {
                step.duration = Some(duration);
            }
        }
        self.events.emit(EventKind::StepEnded {
            id: self.definition.id.to_owned(),
            stage: self.definition.stage.to_owned(),
            step: index + 1,
            steps: self.count(),
            rollback: direction == Direction::Backward,
            duration,
            error,
        });
    }
}
