//! Changes in the background: `Runner::spawn`, and the handle that it returns.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::builder::Runner;
use super::run::joined;
use crate::audit::change_progress::ChangeProgress;
use crate::engine::mode::Mode;
use crate::engine::{self, Request};
use crate::lock::stop::{StopReason, StopSignal};
use crate::report::error::{Error, ErrorKind};
use crate::report::run::{Outcome, Report};

/// How far the work of [`Runner::spawn`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkState {
    /// The changes of the start are not applied yet.
    StartingUp,
    /// The changes of the start are applied. Those in the background are being applied, here or by
    /// another instance.
    InBackground,
    /// Nothing is left to do.
    Done,
    /// The changes of the start are not applied, and this instance does not try again. The text is
    /// that of the error.
    StartFailed(String),
    /// The changes of the start are applied, and one in the background is not. This instance does
    /// not try again. The text is that of the error.
    BackgroundFailed(String),
}

impl WorkState {
    /// Reports whether the changes of the start are applied, so that the application can serve
    /// requests.
    pub fn is_ready(&self) -> bool {
        match self {
            WorkState::StartingUp | WorkState::StartFailed(_) => false,
            WorkState::InBackground | WorkState::Done | WorkState::BackgroundFailed(_) => true,
        }
    }

    /// Returns the name of the state in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            WorkState::StartingUp => "starting_up",
            WorkState::InBackground => "in_background",
            WorkState::Done => "done",
            WorkState::StartFailed(_) => "start_failed",
            WorkState::BackgroundFailed(_) => "background_failed",
        }
    }
}

/// The work that [`Runner::spawn`] has begun.
///
/// # Cancel safety
/// Dropping the handle stops nothing. To stop, [`cancel`](Self::cancel) and then
/// [`wait`](Self::wait) before the process ends.
pub struct RunHandle {
    pub(super) runner: Runner,
    pub(super) state: watch::Receiver<WorkState>,
    signals: StopSignal,
    work: JoinHandle<Result<Report, Error>>,
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

impl RunHandle {
    /// Returns how far the work is.
    pub fn state(&self) -> WorkState {
        self.state.borrow().clone()
    }

    /// Waits until the changes of the start are applied, or until they cannot be, and returns the
    /// state then.
    pub async fn started(&self) -> WorkState {
        let mut state = self.state.clone();
        let is_over = |state: &WorkState| *state != WorkState::StartingUp;
        match state.wait_for(is_over).await {
            Ok(state) => state.clone(),
            // The engine has panicked: `wait` passes that on.
            Err(_) => self.state(),
        }
    }

    /// Returns how far the changes in batches of this service are. Only reads.
    ///
    /// # Errors
    /// Any error while the databases are read.
    pub async fn progress(&self) -> Result<Vec<ChangeProgress>, Error> {
        self.runner.progress().await
    }

    /// Stops the work, like [`Run::cancel_on`](crate::Run::cancel_on): a change in batches ends after
    /// the batch in progress, and the next start continues.
    pub fn cancel(&self) {
        self.signals.ask();
    }

    /// Waits like [`wait`](Self::wait), and cancels the work when the signal comes.
    #[cfg(feature = "cli")]
    pub(crate) async fn until(mut self, signal: impl Future<Output = ()>) -> Result<Report, Error> {
        let ended = tokio::select! {
            biased;
            ended = &mut self.work => Some(ended),
            () = signal => None,
        };
        match ended {
            Some(ended) => joined(std::future::ready(ended)).await,
            None => {
                self.cancel();
                self.wait().await
            }
        }
    }

    /// Waits until nothing is left to do, and returns the report of all changes.
    ///
    /// # Errors
    /// Those of [`Runner::run`], also for the changes in the background.
    ///
    /// # Panics
    /// If a listener or the engine has panicked.
    pub async fn wait(self) -> Result<Report, Error> {
        joined(self.work).await
    }
}

impl Runner {
    /// Begins to apply the changes of the start and then those in the background, and returns at
    /// once. Must be called in a Tokio runtime.
    ///
    /// The replicas of a service share out the changes in the background: one instance works on
    /// each, and another one continues if it dies. They are applied one after the other, in their
    /// order. If one fails, those after it in its stage stay pending, and so do the stages after
    /// that.
    ///
    /// ```
    /// use flamingock::{MemoryStore, Runner, WorkState, change, changes};
    ///
    /// #[change(id = "fill-cache", order = "0001", phase = "background", register = false)]
    /// async fn fill_cache() {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flamingock::Error> {
    /// let runner = Runner::new(MemoryStore::new()).changes(changes![fill_cache]);
    /// // `run` leaves it for later, which is no failure.
    /// assert_eq!(runner.run().await?.counts().pending, 1);
    ///
    /// let work = runner.spawn();
    /// // Serve requests from here on.
    /// assert!(work.started().await.is_ready());
    /// assert!(work.wait().await?.is_success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn(&self) -> RunHandle {
        self.spawn_work(true)
    }

    /// `waits`: whether to wait for an operator to resume a change that is paused.
    pub(crate) fn spawn_work(&self, waits: bool) -> RunHandle {
        let signals = StopSignal::new(self.settings.lock.bounded().wait);
        let (told, state) = watch::channel(WorkState::StartingUp);
        let runner = Runner {
            settings: self.settings.for_a_run(),
        };
        let work = tokio::spawn(work(
            Runner {
                settings: self.settings.for_a_run(),
            },
            signals.clone(),
            told,
            waits,
        ));
        RunHandle {
            runner,
            state,
            signals,
            work,
        }
    }

    /// Makes [`Mode::Check`](crate::Mode), [`Mode::Plan`](crate::Mode) and [`plan`](Self::plan)
    /// count the changes in the background, too: without this they are neither pending nor issues.
    pub fn with_background(mut self) -> Runner {
        self.settings.with_background = true;
        self
    }
}

/// Applies the changes of the start and those in the background, and both again while a change of
/// the start requires one in the background.
async fn work(
    runner: Runner,
    signals: StopSignal,
    told: watch::Sender<WorkState>,
    waits: bool,
) -> Result<Report, Error> {
    let mode = runner.settings.mode();
    let applies = mode.is_ok_and(|mode| mode == Mode::Apply);
    let mut left = usize::MAX;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let started = serve(&runner, Request::Run, &signals).await;
        let report = match &started {
            Ok(report) => {
                told.send_replace(WorkState::InBackground);
                Some(report)
            }
            // A change waits for one in the background.
            Err(error) if error.kind() == ErrorKind::Pending => error.report(),
            Err(_) => None,
        };
        let pending = report.map_or(0, |report| {
            let counts = report.counts();
            counts.pending + counts.paused
        });
        if pending == 0 || !applies {
            return ended(started, WorkState::StartFailed, &told);
        }
        let mut background = serve(&runner, Request::Background { waits }, &signals).await;
        // Each attempt is a run of its own: the database must refuse the late statements of the one
        // before.
        while let Err(error) = &background
            && waits
            && may_pass(error)
            && signals.now() == StopReason::No
        {
            tracing::warn!(%error, "the work in the background is tried again");
            tokio::select! {
                biased;
                _ = signals.wait(|stop| *stop != StopReason::No) => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            background = serve(&runner, Request::Background { waits }, &signals).await;
        }
        match background {
            // What requires the changes in the background can be applied now.
            Ok(_) if started.is_err() => {}
            Err(error)
                if error.kind() == ErrorKind::Pending && started.is_err() && pending < left => {}
            result => {
                let failed = match started {
                    Ok(_) => WorkState::BackgroundFailed,
                    Err(_) => WorkState::StartFailed,
                };
                return ended(result, failed, &told);
            }
        }
        left = pending;
    }
}

/// The pauses before the work in the background is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Reports whether another instance has taken over, or the database is away: both may pass.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::InDoubt) || error.may_pass()
}

async fn serve(runner: &Runner, request: Request, signals: &StopSignal) -> Result<Report, Error> {
    let settings = runner.settings.for_a_run();
    engine::serve(settings, request, signals.clone(), engine::new_id()).await
}

fn ended(
    result: Result<Report, Error>,
    failed: fn(String) -> WorkState,
    told: &watch::Sender<WorkState>,
) -> Result<Report, Error> {
    let is_done = |report: &Report| {
        report
            .changes()
            .all(|change| change.outcome.is_applied() || change.outcome == Outcome::Filtered)
    };
    told.send_replace(match &result {
        Ok(report) if is_done(report) => WorkState::Done,
        // The mode leaves the rest to other instances.
        Ok(_) => WorkState::InBackground,
        Err(error) => failed(error.to_string()),
    });
    result
}
