//! Delivery of events: a queue and a task for each listener, so that the run never waits for them.

use std::collections::HashSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::api::Listener;
use super::{Event, EventKind, Failure, Work};
use crate::report::error::Error;
use crate::report::run::{ChangeReport, Report};
use crate::util::panic::panic_text;
use crate::util::plural::plural;

/// How long a run waits at its end for listeners, unless the runner sets another timeout.
pub(crate) const LISTENER_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the events of one run to its listeners. Does nothing without listeners.
#[derive(Clone, Debug)]
pub(crate) struct EventSink(Arc<Told>);

#[derive(Debug)]
struct Told {
    run_id: String,
    service: String,
    work: Work,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queues: Vec<Queue>,
    number: u64,
    /// The ids of the changes whose issue was sent already.
    issues: HashSet<String>,
    lost: bool,
}

/// The queue of one listener, and the task that empties it.
#[derive(Debug)]
struct Queue {
    sender: mpsc::UnboundedSender<Arc<Event>>,
    progress: Arc<Mutex<Progress>>,
    task: JoinHandle<()>,
}

/// What a listener has processed so far.
#[derive(Debug)]
struct Progress {
    name: String,
    heard: u64,
    failed: u64,
    first_error: Option<String>,
}

impl EventSink {
    /// Creates the queues. Must be called in a tokio runtime if there are listeners.
    pub(crate) fn new(
        listeners: Vec<Arc<dyn Listener>>,
        run_id: &str,
        service: &str,
        work: Work,
    ) -> EventSink {
        EventSink(Arc::new(Told {
            run_id: run_id.to_owned(),
            service: service.to_owned(),
            work,
            began: Instant::now(),
            state: Mutex::new(State {
                queues: listeners.into_iter().map(Queue::open).collect(),
                ..State::default()
            }),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether there are listeners. Without them an expensive event need not be built.
    pub(crate) fn are_heard(&self) -> bool {
        !self.state().queues.is_empty()
    }

    pub(crate) fn emit(&self, kind: EventKind) {
        let mut state = self.state();
        if state.queues.is_empty() {
            return;
        }
        state.number += 1;
        let event = Arc::new(Event {
            number: state.number,
            run_id: self.0.run_id.clone(),
            service: self.0.service.clone(),
            work: self.0.work,
            elapsed: self.0.began.elapsed(),
            kind,
        });
        for queue in &state.queues {
            // If the task is gone, `close` finds out, and counts the events that were not
            // delivered.
            let _ = queue.sender.send(Arc::clone(&event));
        }
    }

    /// Sends the loss of the lock, once.
    pub(crate) fn lock_lost(&self, reason: String) {
        let known = std::mem::replace(&mut self.state().lost, true);
        if !known {
            self.emit(EventKind::LockLost { reason });
        }
    }

    /// Sends the end of a change, and its issue if it has one.
    pub(crate) fn change_ended(&self, stage: &str, attempt: u32, change: ChangeReport) {
        let issue = issue(stage, &change);
        self.emit(EventKind::ChangeEnded {
            stage: stage.to_owned(),
            attempt,
            change: Box::new(change),
        });
        self.issue(issue);
    }

    /// Sends every issue of a report that was not sent yet.
    pub(crate) fn issues(&self, report: &Report) {
        for stage in &report.stages {
            for change in &stage.changes {
                self.issue(issue(&stage.name, change));
            }
        }
    }

    fn issue(&self, issue: Option<(String, EventKind)>) {
        let Some((id, issue)) = issue else { return };
        if self.state().issues.insert(id) {
            self.emit(issue);
        }
    }

    /// Sends the issues that were not sent yet, and then the end of the run.
    pub(crate) fn run_ended(&self, report: Option<&Report>, error: Option<&Error>) {
        if !self.are_heard() {
            return;
        }
        if let Some(report) = report {
            self.issues(report);
        }
        self.emit(EventKind::RunEnded {
            duration: self.0.began.elapsed(),
            report: report.cloned().map(Box::new),
            error: error.map(Failure::of),
        });
    }

    /// Waits until the listeners have processed all events, at most for `timeout`; then drops them.
    /// Returns the warnings, which are logged already.
    pub(crate) async fn close(&self, timeout: Duration) -> Vec<String> {
        let (queues, told) = {
            let mut state = self.state();
            (std::mem::take(&mut state.queues), state.number)
        };
        // All queues are closed first: each task ends once the sender of its queue is dropped.
        let closing: Vec<Closing> = queues.into_iter().map(Queue::close).collect();
        let wait = tokio::time::sleep(timeout);
        tokio::pin!(wait);
        let mut warnings = Vec::new();
        for mut closing in closing {
            let panicked = tokio::select! {
                biased;
                ended = &mut closing.task => ended.is_err(),
                () = &mut wait => {
                    closing.task.abort();
                    false
                }
            };
            let progress = lock(&closing.progress);
            if let Some(warning) = progress.warning(told, timeout, panicked) {
                tracing::warn!("{warning}");
                warnings.push(warning);
            }
        }
        warnings
    }
}

fn issue(stage: &str, change: &ChangeReport) -> Option<(String, EventKind)> {
    let cause = change.issue.clone()?;
    let issue = EventKind::IssueFound {
        id: change.id.clone(),
        stage: stage.to_owned(),
        target: change.target.to_owned(),
        cause,
        error: change.error.clone(),
    };
    Some((change.id.clone(), issue))
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listener that receives no more events.
struct Closing {
    progress: Arc<Mutex<Progress>>,
    task: JoinHandle<()>,
}

impl Queue {
    fn open(listener: Arc<dyn Listener>) -> Queue {
        let (sender, events) = mpsc::unbounded_channel();
        let progress = Arc::new(Mutex::new(Progress {
            name: name(&*listener),
            heard: 0,
            failed: 0,
            first_error: None,
        }));
        let hearing = hear_all(listener, events, Arc::clone(&progress));
        let task = tokio::spawn(hearing.in_current_span());
        Queue {
            sender,
            progress,
            task,
        }
    }

    fn close(self) -> Closing {
        Closing {
            progress: self.progress,
            task: self.task,
        }
    }
}

/// Returns the name of a listener. A name that panics is replaced, because the listener may still
/// work.
fn name(listener: &dyn Listener) -> String {
    std::panic::catch_unwind(AssertUnwindSafe(|| listener.name().to_owned()))
        .unwrap_or_else(|_| "a listener without name".to_owned())
}

async fn hear_all(
    listener: Arc<dyn Listener>,
    mut events: mpsc::UnboundedReceiver<Arc<Event>>,
    progress: Arc<Mutex<Progress>>,
) {
    while let Some(event) = events.recv().await {
        // Creating the future is the listener's code, too, and may panic.
        let hearing = AssertUnwindSafe(async { listener.on_event(&event).await });
        let error = match hearing.catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(crate::util::error_chain::chain(&error).to_string()),
            Err(payload) => Some(format!("it panicked: {}", panic_text(&*payload))),
        };
        lock(&progress).heard(error);
    }
}

impl Progress {
    fn heard(&mut self, error: Option<String>) {
        self.heard += 1;
        if let Some(error) = error {
            self.failed += 1;
            self.first_error.get_or_insert(error);
        }
    }

    fn warning(&self, told: u64, timeout: Duration, panicked: bool) -> Option<String> {
        let missed = told.saturating_sub(self.heard);
        let missing = (missed > 0).then(|| {
            let why = if panicked {
                "it panicked".to_owned()
            } else {
                let timeout = humantime::format_duration(timeout);
                format!("it had not heard them {timeout} after the end of the run")
            };
            format!("did not hear {missed} of {}: {why}", plural(told, "event"))
        });
        let failing = self.first_error.as_ref().map(|error| {
            let failed = self.failed;
            format!(
                "failed at {failed} of {}, first with: {error}",
                plural(told, "event")
            )
        });
        let said: Vec<String> = missing.into_iter().chain(failing).collect();
        (!said.is_empty()).then(|| format!("the listener {} {}", self.name, said.join("; and it ")))
    }
}

impl fmt::Debug for dyn Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.name()).finish()
    }
}
