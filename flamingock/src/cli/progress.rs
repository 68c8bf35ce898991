//! What is being done, in one line of the terminal that is gone at the end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use super::view::View;
use crate::change::names::DEFAULT;
use crate::listener::api::Listener;
use crate::listener::{Event, EventKind, Work};
use crate::runner::builder::Runner;
use crate::util::boxed::BoxError;
use crate::util::visible::visible;

/// How often the line moves: somebody who looks at it sees that the program lives.
const TICK: Duration = Duration::from_millis(100);

/// The line. A thread of its own writes it, since a terminal can be stopped (Ctrl-S): whoever writes
/// to it then waits, and neither the run nor its transactions may.
#[derive(Debug)]
pub(super) struct Progress {
    drawing: Option<Drawing>,
}

#[derive(Debug)]
struct Drawing {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<()>,
}

/// What the thread is to do.
#[derive(Debug)]
enum Order {
    /// Show this in the line.
    Show(String),
    /// Print this above it.
    Say(String),
    /// Remove it.
    End,
}

impl Progress {
    /// Where nobody looks, and where something else is to be printed, it does nothing.
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

    /// The same runner, of which the line tells what it does.
    pub(super) fn follow(&self, runner: Runner) -> Runner {
        match &self.drawing {
            Some(drawing) => runner.listener(Teller {
                orders: drawing.orders.clone(),
                count: Mutex::default(),
            }),
            None => runner,
        }
    }

    /// What prints a message above the line.
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
    /// Removes the line, and waits until it is gone: what is printed next is not to mix with it.
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
                // How long this has been going on, not the run.
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

/// Turns events into the line.
struct Teller {
    orders: mpsc::Sender<Order>,
    count: Mutex<Count>,
}

/// The changes that have started, of those that are to.
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
            count.text(event)
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
    /// What the line says from now on; none where it stays as it is.
    fn text(&mut self, event: &Event) -> Option<String> {
        match &event.kind {
            EventKind::Planned { changes } => {
                self.planned = *changes;
                None
            }
            EventKind::LockWaited { holder } => {
                Some(format!("waiting for the lock, held by {}", holder.clone()))
            }
            EventKind::TargetWaited { target, error } => {
                Some(format!("waiting for the target system {target}: {error}"))
            }
            EventKind::ChangeStarted {
                id, order, target, ..
            } => {
                self.started += 1;
                let doing = match event.work {
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
            EventKind::RunStarted
            | EventKind::LockObtained { .. }
            | EventKind::LockLost { .. }
            | EventKind::LockReleased
            | EventKind::StageStarted { .. }
            | EventKind::StageEnded { .. }
            | EventKind::TargetReady { .. }
            | EventKind::StepEnded { .. }
            | EventKind::ChangeEnded { .. }
            | EventKind::Probed(_)
            | EventKind::IssueFound { .. }
            | EventKind::RunEnded { .. } => None,
        }
    }
}
