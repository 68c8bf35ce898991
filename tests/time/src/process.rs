//! A process within the test's own: it can be paused, and it can be killed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::fates::{Call, Fate, Fates};
use crate::trace::Trace;

/// The state that the futures of a run share.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: usize,
    fates: Fates,
    trace: Arc<Trace>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    condition: Condition,
    /// The number of calls of each kind.
    calls: [u32; Call::ALL.len()],
    /// When it acquired the lock.
    obtained: Option<Instant>,
    /// The number of its pauses.
    stands: u32,
    /// The total time of its pauses and of the delays of its calls.
    held_up: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Runs,
    StandsStill(Instant),
    Killed,
}

impl Process {
    pub(crate) fn new(name: usize, fates: Fates, trace: &Arc<Trace>) -> Arc<Process> {
        Arc::new(Process {
            name,
            fates,
            trace: Arc::clone(trace),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fate of its next call of this kind. The same seed gives the same answers, whatever else
    /// happens in between.
    pub(crate) fn fate(&self, call: Call) -> Fate {
        let mut state = self.state();
        let nth = &mut state.calls[call as usize];
        *nth += 1;
        let fate = self.fates.of(self.name, call, *nth);
        state.held_up += fate.holds_up();
        drop(state);
        self.note(|| format!("{call:?}: {fate:?}"));
        fate
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.trace.note(|| format!("run {}: {}", self.name, what()));
    }

    pub(crate) fn kill(&self) {
        self.note(|| "killed".to_owned());
        self.state().condition = Condition::Killed;
    }

    /// Pauses it for that long, unnoticed by itself.
    pub(crate) async fn stand_still(&self, pause: Duration) {
        self.note(|| format!("is paused for {pause:?}"));
        {
            let mut state = self.state();
            state.condition = Condition::StandsStill(Instant::now() + pause);
            state.held_up += pause;
            state.stands += 1;
        }
        tokio::task::yield_now().await;
    }

    /// The number of its pauses, including the current one.
    pub(crate) fn stands(&self) -> u32 {
        self.state().stands
    }

    /// Records that it has acquired the lock.
    pub(crate) fn obtains(&self) {
        self.state().obtained.get_or_insert_with(Instant::now);
    }

    /// When it first acquired the lock.
    pub(crate) fn obtained(&self) -> Option<Instant> {
        self.state().obtained
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.state().condition == Condition::Killed
    }

    pub(crate) fn held_up(&self) -> Duration {
        self.state().held_up
    }

    /// The future of a process: none once it is killed.
    pub(crate) fn run<F: Future>(self: &Arc<Self>, work: F) -> Gated<F> {
        Gated {
            process: Arc::clone(self),
            work: Some(Box::pin(work)),
            sleep: None,
        }
    }

    /// The process resumes, if its time has come.
    fn resume(&self, until: Instant) {
        let mut state = self.state();
        if state.condition == Condition::StandsStill(until) {
            state.condition = Condition::Runs;
            drop(state);
            self.note(|| "goes on".to_owned());
        }
    }
}

/// A future that is not polled while its process is paused, and dropped when it is killed.
pub(crate) struct Gated<F> {
    process: Arc<Process>,
    work: Option<Pin<Box<F>>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Gated<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let condition = self.process.state().condition;
            match condition {
                Condition::Killed => {
                    self.work = None;
                    return Poll::Ready(None);
                }
                Condition::StandsStill(until) => {
                    let sleep = self
                        .sleep
                        .get_or_insert_with(|| Box::pin(sleep_until(until)));
                    ready!(sleep.as_mut().poll(context));
                    self.sleep = None;
                    self.process.resume(until);
                }
                Condition::Runs => {
                    let Some(work) = &mut self.work else {
                        return Poll::Ready(None);
                    };
                    if let Poll::Ready(done) = work.as_mut().poll(context) {
                        self.work = None;
                        return Poll::Ready(Some(done));
                    }
                    if self.process.state().condition == Condition::Runs {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
