//! The progress line on the terminal, which is removed at the end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use super::view::View;
use crate::audit::change_progress::{Rows, percent};
use crate::change::names::DEFAULT;
use crate::listener::api::Listener;
use crate::listener::{Event, EventKind, Work};
use crate::runner::builder::Runner;
use crate::util::boxed::BoxError;
use crate::util::visible::visible;

/// How often the line is redrawn, to show that the program is alive.
const TICK: Duration = Duration::from_millis(100);

/// The progress line. A thread of its own writes it, because a terminal can be stopped (Ctrl-S) and
/// then blocks its writer, which must not be the run or one of its transactions.
#[derive(Debug)]
pub(super) struct Progress {
    drawing: Option<Drawing>,
}

#[derive(Debug)]
struct Drawing {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<()>,
}

/// An order for the thread.
#[derive(Debug)]
enum Order {
    /// Shows this text in the line.
    Show(String),
    /// Prints this text above the line.
    Say(String),
    /// Removes the line.
    End,
}

impl Progress {
    /// Creates the progress line. Does nothing if standard error is no terminal, or if other output
    /// would mix with it.
    pub(super) fn new(view: &View) -> Progress {
        if !view.progress {
            return Progress { drawing: None };
        }
        let (orders, given) = mpsc::channel();
        let thread = std::thread::Builder::new().name("flamingock-progress".to_owned());
        let drawing = match thread.spawn(move || draw(&given)) {
            Ok(thread) => Some(Drawing { orders, thread }),
            Err(error) => {
                tracing::warn!(%error, "no thread to show what is being done");
                None
            }
        };
        Progress { drawing }
    }

    /// Adds a listener to the runner that updates the line.
    pub(super) fn follow(&self, runner: Runner) -> Runner {
        match &self.drawing {
            Some(drawing) => runner.listener(Teller {
                orders: drawing.orders.clone(),
                count: Mutex::default(),
            }),
            None => runner,
        }
    }

    /// Returns a function that prints a message above the line.
    pub(super) fn teller(&self) -> impl Fn(&str) + Send + 'static {
        let orders = self.drawing.as_ref().map(|drawing| drawing.orders.clone());
        move |message| {
            let order = Order::Say(message.to_owned());
            let said = orders
                .as_ref()
                .is_some_and(|orders| orders.send(order).is_ok());
            if !said {
                terminal::tell(message);
            }
        }
    }
}

impl Progress {
    /// Removes the line, and waits until it is gone, so that it does not mix with the next output.
    pub(super) fn end(self) {
        if let Some(Drawing { orders, thread }) = self.drawing {
            let _ = orders.send(Order::End);
            let _ = thread.join();
        }
    }
}

fn draw(orders: &mpsc::Receiver<Order>) {
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}") {
        line.set_style(style);
    }
    let mut shown = false;
    loop {
        match orders.recv_timeout(TICK) {
            Ok(Order::Show(text)) => {
                shown = true;
                // Shows the time since this activity began, and not since the run began.
                line.reset_elapsed();
                line.set_message(text);
            }
            Ok(Order::Say(text)) => line.suspend(|| terminal::tell(&text)),
            Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if shown => line.tick(),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    line.finish_and_clear();
}

/// The listener that turns events into the text of the line.
struct Teller {
    orders: mpsc::Sender<Order>,
    count: Mutex<Count>,
}

/// The numbers of changes that have begun and that are planned.
#[derive(Debug, Default)]
struct Count {
    started: usize,
    planned: usize,
}

#[async_trait]
impl Listener for Teller {
    async fn on_event(&self, event: &Event) -> Result<(), BoxError> {
        let text = {
            let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            count.text(event.work, &event.kind)
        };
        if let Some(text) = text {
            self.orders.send(Order::Show(visible(&text).into_owned()))?;
        }
        Ok(())
    }

    fn name(&self) -> &str {
        "progress"
    }
}

impl Count {
    /// Returns the new text of the line; `None` if it does not change.
    fn text(&mut self, work: Work, kind: &EventKind) -> Option<String> {
        match kind {
            EventKind::Planned { changes } => {
                self.planned = *changes;
                None
            }
            EventKind::LockWaited { lock } => {
                Some(format!("waiting for the lock, held by {}", lock.clone()))
            }
            EventKind::TargetWaited { target, error } => {
                Some(format!("waiting for the target system {target}: {error}"))
            }
            EventKind::ChangeStarted {
                id, order, target, ..
            } => {
                self.started += 1;
                let doing = match work {
                    Work::Run => "",
                    Work::Undo => "undoing ",
                    Work::Verify => "verifying ",
                };
                let place = if target == DEFAULT {
                    String::new()
                } else {
                    format!(" at {target}")
                };
                let of = self.planned.max(self.started);
                Some(format!(
                    "[{}/{of}] {doing}{order} {id}{place}",
                    self.started
                ))
            }
            EventKind::StepStarted {
                id,
                step,
                steps,
                rollback,
                ..
            } => {
                let of = self.planned.max(self.started);
                let doing = if *rollback { "rolling back " } else { "" };
                Some(format!(
                    "[{}/{of}] {id}: {doing}step {step} of {steps}",
                    self.started
                ))
            }
            EventKind::BatchCommitted {
                id,
                batch,
                done_rows,
                total_rows,
                rows_per_second,
                ..
            } => {
                let rows = Rows {
                    batches: *batch,
                    done: *done_rows,
                    total: *total_rows,
                    per_second: *rows_per_second,
                };
                let of = self.planned.max(self.started);
                Some(format!("[{}/{of}] {id}: {rows}", self.started))
            }
            EventKind::ChangeProgressed {
                id, done, total, ..
            } => {
                let of = self.planned.max(self.started);
                let whole = match total {
                    Some(total) => format!(" of {total} ({} %)", percent(*done, *total)),
                    None => String::new(),
                };
                Some(format!("[{}/{of}] {id}: {done}{whole}", self.started))
            }
            EventKind::RunStarted
            | EventKind::LockObtained { .. }
            | EventKind::LockLost { .. }
            | EventKind::LockReleased
            | EventKind::StageStarted { .. }
            | EventKind::StageEnded { .. }
            | EventKind::TargetReady { .. }
            | EventKind::StepEnded { .. }
            | EventKind::ChangeEnded { .. }
            | EventKind::Verified(_)
            | EventKind::IssueFound { .. }
            | EventKind::RunEnded { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_shows_how_far_a_change_is() {
        let text = |kind: EventKind| {
            let mut count = Count {
                started: 1,
                planned: 3,
            };
            count.text(Work::Run, &kind)
        };
        let batch = |total_rows, rows_per_second| EventKind::BatchCommitted {
            id: "fill".to_owned(),
            stage: DEFAULT.to_owned(),
            batch: 12,
            rows: 500,
            done_rows: 6_000,
            total_rows,
            rows_per_second,
            duration: TICK,
        };
        let progressed = |total| EventKind::ChangeProgressed {
            id: "copy".to_owned(),
            stage: DEFAULT.to_owned(),
            done: 3,
            total,
        };
        for (event, expected) in [
            (batch(None, None), "[1/3] fill: 12 batches, 6000 rows done"),
            (
                batch(Some(20_000), Some(500.0)),
                "[1/3] fill: 12 batches, 6000 of 20000 rows (30 %), 500 rows/s, 28s left",
            ),
            (progressed(None), "[1/3] copy: 3"),
            (progressed(Some(4)), "[1/3] copy: 3 of 4 (75 %)"),
            (progressed(Some(0)), "[1/3] copy: 3 of 0 (100 %)"),
        ] {
            assert_eq!(text(event).as_deref(), Some(expected));
        }
    }
}
