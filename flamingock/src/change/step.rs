//! A change of several steps, each with what takes it back.

use crate::util::error_chain::ErrorChain;
use std::sync::Arc;
use std::time::Duration;
/// What stands before a step whose rollback begins.
pub(crate) const ROLLING_BACK: &str = "rolling back";

/// Where an attempt stands whose rollback began in a transaction of another database than the audit's.
pub(crate) const ROLLBACK_ELSEWHERE: &str = "its rollback, in a transaction of the target system";

/// `step 2 of 5`
pub(crate) fn place(index: usize, count: usize) -> String {
    format!("step {} of {count}", index + 1)
}

impl Direction {
    /// What a failure of this step is called.
    pub(crate) fn failed(self, index: usize, count: usize) -> String {
        let place = place(index, count);
        match self {
            Direction::Forward => format!("{place} failed"),
            Direction::Backward => format!("the rollback of {place} failed"),
        }
    }
}

/// Whether a step is done or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// Is told how far the steps of an attempt have come.
pub(crate) trait ObserveSteps: Send + Sync {
    /// How many steps have begun.
    #[cfg(feature = "templates")]
    fn reached(&self) -> usize;

    /// A step begins.
    fn begin(&self, index: usize, direction: Direction);

    /// It ended.
    fn end(
        &self,
        index: usize,
        direction: Direction,
        duration: Duration,
        error: Option<ErrorChain>,
    );
}

/// The observer of an attempt, among its values.
#[cfg_attr(
    not(feature = "templates"),
    expect(dead_code, reason = "what only templates use")
)]
pub(crate) struct StepObserver(pub(crate) Arc<dyn ObserveSteps>);
