//! Telling listeners: a queue and a task for each, so that nothing of the run waits for them.

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

/// How long the end of a run waits for listeners, unless the runner says otherwise.
pub(crate) const LISTENER_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells the listeners of one run what happens in it. Without listeners it does nothing.
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
    /// The changes of which it was told that they need manual resolution.
    issues: HashSet<String>,
    lost: bool,
}

/// What is on its way to one listener.
#[derive(Debug)]
struct Queue {
    sender: mpsc::UnboundedSender<Arc<Event>>,
    progress: Arc<Mutex<Progress>>,
    task: JoinHandle<()>,
}

/// How far a listener has come.
#[derive(Debug)]
struct Progress {
    name: String,
    heard: u64,
    failed: u64,
    first_error: Option<String>,
}

impl EventSink {
    /// Must be called in a tokio runtime if there are listeners.
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

    /// Whether anybody listens: what is costly to say need not be said otherwise.
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
            // A task that is gone is found at the end: what it did not hear is counted there.
            let _ = queue.sender.send(Arc::clone(&event));
        }
    }

    /// That the lock is lost, once.
    pub(crate) fn lock_lost(&self, reason: String) {
        let known = std::mem::replace(&mut self.state().lost, true);
        if !known {
            self.emit(EventKind::LockLost { reason });
        }
    }

    /// That a change ended, and that it needs manual resolution if it does.
    pub(crate) fn change_ended(&self, stage: &str, attempt: u32, change: ChangeReport) {
        let issue = issue(stage, &change);
        self.emit(EventKind::ChangeEnded {
            stage: stage.to_owned(),
            attempt,
            change: Box::new(change),
        });
        self.issue(issue);
    }

    /// Every issue of a report that was not told yet.
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

    /// That the run is over, with the issues that nobody was told yet before it.
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

    /// Waits until the listeners have heard everything, but no longer than this; then they are
    /// dropped. Answers what somebody should know of it, which is logged already.
    pub(crate) async fn close(&self, timeout: Duration) -> Vec<String> {
        let (queues, told) = {
            let mut state = self.state();
            (std::mem::take(&mut state.queues), state.number)
        };
        // All at once: each ends its task once its sender is gone.
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

/// A listener that is told nothing more.
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

/// A listener whose name panics is still one.
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
        // Making the future is the listener's code, too.
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
