//! The progress that a function reports by its context.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::change::context::ObserveProgress;
use crate::change::definition::Definition;
use crate::listener::EventKind;
use crate::listener::delivery::EventSink;

/// The shortest time between two reports.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the progress of one change to the listeners and the log, not too often.
#[derive(Debug)]
pub(super) struct ReportedProgress {
    definition: &'static Definition,
    events: EventSink,
    last: Mutex<Option<Last>>,
}

/// The last report.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    is_whole: bool,
}

impl ReportedProgress {
    pub(super) fn new(definition: &'static Definition, events: &EventSink) -> ReportedProgress {
        ReportedProgress {
            definition,
            events: events.clone(),
            last: Mutex::default(),
        }
    }

    /// Reports whether the last report is long enough ago, or this one completes the whole, and
    /// takes the place of it.
    fn is_due(&self, is_whole: bool) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due =
            last.is_none_or(|last| last.at.elapsed() >= PAUSE || is_whole && !last.is_whole);
        if is_due {
            let at = Instant::now();
            *last = Some(Last { at, is_whole });
        }
        is_due
    }
}

impl ObserveProgress for ReportedProgress {
    fn progress(&self, done: u64, total: Option<u64>) {
        if !self.is_due(total == Some(done)) {
            return;
        }
        let (id, stage) = (self.definition.id, self.definition.stage);
        tracing::debug!(change.id = id, stage, done, total, "change progressed");
        self.events.emit(EventKind::ChangeProgressed {
            id: id.to_owned(),
            stage: stage.to_owned(),
            done,
            total,
        });
    }
}
