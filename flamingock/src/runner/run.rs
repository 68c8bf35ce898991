//! The future of a run, and the task in which the engine works.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use tokio::task::JoinError;

use crate::engine::settings::Settings;
use crate::engine::{self, Request};
use crate::lock::stop::StopSignal;
use crate::report::error::Error;
use crate::report::run::Report;
use crate::util::boxed::BoxFuture;

/// The future of [`Runner::run`](crate::Runner::run) or [`Runner::undo`](crate::Runner::undo):
/// await it.
///
/// # Cancel safety
/// Dropping it requests a stop, as [`cancel_on`](Self::cancel_on) does. The engine stops in a task
/// of its own, and still records the outcome.
#[must_use = "a run does nothing until it is awaited"]
pub struct Run {
    work: BoxFuture<'static, Result<Report, Error>>,
    signals: StopSignal,
    cancel: Option<BoxFuture<'static, ()>>,
}

impl Run {
    pub(crate) fn of(settings: Settings, request: Request) -> Run {
        let signals = StopSignal::new(settings.lock.bounded().wait);
        Run {
            work: Box::pin(supervise(settings, request, signals.clone())),
            signals,
            cancel: None,
        }
    }

    /// Stops the run when this future completes: a change in a transaction is dropped and rolled
    /// back, a non-transactional change finishes first, and then the lock is released. A second
    /// call replaces the future of the first.
    ///
    /// Flamingock installs no signal handler, so pass the application's own shutdown signal.
    ///
    /// ```
    /// # use flamingock::{ErrorKind, MemoryStore, Runner, change, changes};
    /// #[change(id = "slow", order = "0001", register = false)]
    /// async fn slow(context: &flamingock::Context) -> Result<(), flamingock::BoxError> {
    ///     context.cancelled().await;
    ///     Err("stopped before the end".into())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (shut_down, asked) = tokio::sync::oneshot::channel::<()>();
    /// let runner = Runner::new(MemoryStore::new()).changes(changes![slow]);
    /// let run = tokio::spawn(runner.run().cancel_on(async { drop(asked.await) }));
    /// shut_down.send(()).unwrap();
    /// assert_eq!(run.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    /// # }
    /// ```
    pub fn cancel_on(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Run {
        self.cancel = Some(Box::pin(signal));
        self
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Run")
    }
}

impl Future for Run {
    type Output = Result<Report, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let run = &mut *self;
        // The engine starts before it can be asked to stop.
        let ended = run.work.as_mut().poll(context);
        if ended.is_pending()
            && let Some(cancel) = &mut run.cancel
            && cancel.as_mut().poll(context).is_ready()
        {
            run.cancel = None;
            run.signals.ask();
        }
        ended
    }
}

/// Requests a stop when it is dropped.
struct AskOnDrop(StopSignal);

impl Drop for AskOnDrop {
    fn drop(&mut self) {
        self.0.ask();
    }
}

/// Runs the engine in a task of its own, because dropping the run must not drop a statement of the
/// engine that is in flight.
async fn supervise(
    settings: Settings,
    request: Request,
    signals: StopSignal,
) -> Result<Report, Error> {
    let _asks = AskOnDrop(signals.clone());
    let engine = engine::serve(settings, request, signals, engine::new_id());
    joined(tokio::spawn(engine)).await
}

/// Waits for the end of a task, and passes on its panic.
pub(super) async fn joined(
    task: impl Future<Output = Result<Result<Report, Error>, JoinError>>,
) -> Result<Report, Error> {
    match task.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            // The runtime shuts down and no longer polls tasks.
            Err(_) => std::future::pending().await,
        },
    }
}
