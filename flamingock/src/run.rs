//! A run that is awaited, and the engine that does not depend on being awaited.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use crate::call::Signals;
use crate::change::BoxFuture;
use crate::engine::{self, Request};
use crate::error::Error;
use crate::report::Report;
use crate::settings::Settings;

/// A run: await it.
#[must_use = "a run does nothing until it is awaited"]
pub struct Run(BoxFuture<'static, Result<Report, Error>>);

impl Run {
    /// What a runner was told, until `cancel` completes or this is dropped.
    pub(crate) fn of(
        settings: Settings,
        request: Request,
        cancel: Option<BoxFuture<'static, ()>>,
    ) -> Run {
        Run(Box::pin(supervise(settings, request, cancel)))
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
        self.0.as_mut().poll(context)
    }
}

/// Asks the run to stop when it is dropped.
struct AskOnDrop(Signals);

impl Drop for AskOnDrop {
    fn drop(&mut self) {
        self.0.ask();
    }
}

/// The engine works in a task of its own: whoever drops the run must not drop a statement of ours
/// that is on its way.
async fn supervise(
    settings: Settings,
    request: Request,
    cancel: Option<BoxFuture<'static, ()>>,
) -> Result<Report, Error> {
    let signals = Signals::new(settings.lock.bounded().wait);
    let _asks = AskOnDrop(signals.clone());
    let mut engine = tokio::spawn(engine::serve(
        settings,
        request,
        signals.clone(),
        engine::new_run_id(),
    ));
    let asked = async {
        match cancel {
            Some(cancel) => cancel.await,
            None => std::future::pending().await,
        }
    };
    let joined = tokio::select! {
        joined = &mut engine => joined,
        () = asked => {
            signals.ask();
            engine.await
        }
    };
    match joined {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            // The runtime shuts down and polls nobody any more.
            Err(_) => std::future::pending().await,
        },
    }
}
