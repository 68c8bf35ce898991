//! One call of a function of the user: how it may end, and what may end it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use crate::argument::{Inputs, Session, Values};
use crate::audit::ErrorChain;
use crate::change::{Body, BoxError, Definition};
use crate::secrets::Revealed;
use crate::silence::{self, Unanswered};

/// How long a statement of ours may still take once the lock is lost.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Why a run should not go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It should.
    #[default]
    No,
    /// The application asked for it.
    Asked,
    /// The lock is, or may be, another's.
    Lost(String),
}

/// Tells every part of a run when to stop.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    stop: watch::Sender<Stop>,
    cancelled: watch::Sender<bool>,
    /// How long an answer to a statement of ours may take.
    limit: Duration,
}

/// Why an answer to a statement of ours was waited for no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    /// The lock is lost, and no answer came soon.
    #[error("{0}")]
    Lost(String),
    /// The lock is ours, but nobody answers.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl Signals {
    /// For a run that waits for its lock for so long: an answer may take a little longer.
    pub(crate) fn new(wait: Duration) -> Signals {
        Signals {
            stop: watch::Sender::new(Stop::No),
            cancelled: watch::Sender::new(false),
            limit: silence::limit(wait),
        }
    }

    pub(crate) fn ask(&self) {
        self.stop.send_if_modified(|stop| {
            let first = *stop == Stop::No;
            if first {
                *stop = Stop::Asked;
            }
            first
        });
        self.cancelled.send_replace(true);
    }

    pub(crate) fn lose(&self, reason: String) {
        self.stop.send_if_modified(|stop| {
            let first = !matches!(stop, Stop::Lost(_));
            if first {
                *stop = Stop::Lost(reason);
            }
            first
        });
        self.cancelled.send_replace(true);
    }

    pub(crate) fn now(&self) -> Stop {
        self.stop.borrow().clone()
    }

    /// What a change's context watches.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.subscribe()
    }

    /// Waits for work of ours, which is not cut short while the lock is ours and there are answers; but an
    /// answer that may never come is not waited for, nor the lease renewed for it. Functions of the user
    /// in the work take the time that they take.
    pub(crate) async fn unless_lost<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        let lost = async {
            let stop = self.wait(|stop| matches!(stop, Stop::Lost(_))).await;
            tokio::time::sleep(GRACE).await;
            stop
        };
        tokio::select! {
            biased;
            done = silence::answered(self.limit, work) => Ok(done?),
            stop = lost => Err(Cut::Lost(match stop {
                Stop::Lost(reason) => reason,
                Stop::No | Stop::Asked => String::new(),
            })),
        }
    }

    /// Waits for a reason that `matters`; for ever if none comes.
    pub(crate) async fn wait(&self, matters: impl Fn(&Stop) -> bool) -> Stop {
        let mut stop = self.stop.subscribe();
        loop {
            let now = stop.borrow_and_update().clone();
            if matters(&now) {
                return now;
            }
            if stop.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// How long statements of a change may wait and take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) lock: Option<Duration>,
    pub(crate) statement: Option<Duration>,
}

impl Limits {
    pub(crate) fn of(definition: &Definition) -> Limits {
        Limits {
            lock: definition.lock_timeout,
            statement: definition.statement_timeout,
        }
    }
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// The function was not called: there was no connection for it.
    NotRun(BoxError),
    /// The function returned.
    Returned(Result<T, BoxError>),
    /// The function panicked.
    Panicked(String),
    /// The function was dropped: it took longer than it may.
    TimedOut(Duration),
    /// The function was dropped: the run was asked to stop.
    Cancelled,
    /// The function was dropped: the run has lost its lock.
    Lost(String),
}

/// The error of a function that was dropped because the run was asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("the run was asked to stop")]
struct AskedToStop;

/// Whether a function has this error because it was dropped when the run was asked to stop.
pub(crate) fn was_stopped(cause: &BoxError) -> bool {
    cause.is::<AskedToStop>()
}

impl<T> Ended<T> {
    /// Whether the function was dropped, so that a statement of it may still be running.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(self, Ended::TimedOut(_) | Ended::Cancelled | Ended::Lost(_))
    }

    /// The function's value, or what to record as its error.
    pub(crate) fn into_result(self) -> Result<T, BoxError> {
        match self {
            Ended::NotRun(cause) => Err(cause),
            Ended::Returned(result) => result,
            Ended::Panicked(message) => Err(format!("the change panicked: {message}").into()),
            Ended::TimedOut(limit) => Err(format!(
                "the change took longer than its timeout of {}",
                humantime::format_duration(limit)
            )
            .into()),
            Ended::Cancelled => Err(AskedToStop.into()),
            Ended::Lost(reason) => Err(reason.into()),
        }
    }
}

/// What a call needs besides a connection.
#[derive(Clone, Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) values: [&'a Values; 3],
    pub(crate) timeout: Option<Duration>,
    pub(crate) limits: Limits,
    pub(crate) signals: &'a Signals,
    /// Whether the function may be dropped when the run is asked to stop: what it did so far is
    /// undone by the database.
    pub(crate) droppable: bool,
}

impl Invocation<'_> {
    /// Whether the function, or its statements, may take only so long.
    pub(crate) fn is_limited(&self) -> bool {
        self.timeout.is_some() || self.limits != Limits::default()
    }

    /// Calls a function of the user. Only its own future is ever dropped.
    pub(crate) async fn call<'a, 'c, T>(
        &'a self,
        body: &'a Body<T>,
        session: Session<'a, 'c>,
    ) -> Ended<T> {
        let inputs = Inputs {
            session,
            values: self.values,
        };
        // Taking the arguments is the function's code too, as far as panics go.
        let call = async { body.invoke(inputs).await };
        self.watch(call).await
    }

    /// An error that the database had of the function's work, without the secrets of its change.
    #[cfg_attr(
        not(feature = "_sqlx"),
        expect(dead_code, reason = "what only databases use")
    )]
    pub(crate) fn scrubbed(&self, error: BoxError) -> BoxError {
        match self.values[0].get::<Revealed>() {
            Some(revealed) => revealed.scrubbed(error),
            None => error,
        }
    }

    /// Waits for the user's work, for as long as it may take.
    pub(crate) async fn watch<T>(
        &self,
        work: impl Future<Output = Result<T, BoxError>>,
    ) -> Ended<T> {
        let _takes_its_time = silence::accounted();
        let call = AssertUnwindSafe(work).catch_unwind();
        let limit = async {
            match self.timeout {
                Some(timeout) => {
                    tokio::time::sleep(timeout).await;
                    timeout
                }
                None => std::future::pending().await,
            }
        };
        let stopped = self.signals.wait(|stop| match stop {
            Stop::No => false,
            Stop::Asked => self.droppable,
            Stop::Lost(_) => true,
        });
        tokio::select! {
            biased;
            result = call => match result {
                Ok(result) => Ended::Returned(result),
                Err(payload) => Ended::Panicked(panic_text(&*payload)),
            },
            stop = stopped => match stop {
                Stop::Lost(reason) => Ended::Lost(reason),
                Stop::No | Stop::Asked => Ended::Cancelled,
            },
            limit = limit => Ended::TimedOut(limit),
        }
    }
}

pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a value that is no text".to_owned())
}

/// The chain of a boxed error.
pub(crate) fn chain(error: &BoxError) -> ErrorChain {
    ErrorChain::of(&**error)
}
