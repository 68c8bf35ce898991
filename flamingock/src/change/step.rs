//! The steps of a change, and their progress.

use crate::util::error_chain::ErrorChain;
use std::sync::Arc;
use std::time::Duration;
/// The words before a step whose rollback begins.
pub(crate) const ROLLING_BACK: &str = "rolling back";

/// The reason in the entry of an attempt whose rollback began in a transaction of another database
/// than the audit's.
pub(crate) const ROLLBACK_ELSEWHERE: &str = "its rollback, in a transaction of the target system";

/// `step 2 of 5`
pub(crate) fn place(index: usize, count: usize) -> String {
    format!("step {} of {count}", index + 1)
}

impl Direction {
    /// Returns the text for a failure of this step.
    pub(crate) fn failed(self, index: usize, count: usize) -> String {
        let place = place(index, count);
        match self {
            Direction::Forward => format!("{place} failed"),
            Direction::Backward => format!("the rollback of {place} failed"),
        }
    }
}

/// Whether a step is applied or rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// Observes the steps of an attempt.
pub(crate) trait ObserveSteps: Send + Sync {
    /// Returns how many steps have begun.
    #[cfg(feature = "templates")]
    fn reached(&self) -> usize;

    /// A step begins.
    fn begin(&self, index: usize, direction: Direction);

    /// A step has ended.
    fn end(
        &self,
        index: usize,
        direction: Direction,
        duration: Duration,
        error: Option<ErrorChain>,
    );
}

/// The observer of an attempt, which is passed among its values.
#[cfg_attr(
    not(feature = "templates"),
    expect(dead_code, reason = "what only templates use")
)]
pub(crate) struct StepObserver(pub(crate) Arc<dyn ObserveSteps>);
