//! One call of a function of the user: how it ends, and what can end it.

use crate::lock::stop::{StopReason, StopSignal};
use crate::util::panic::panic_text;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

use crate::change::argument::{Inputs, Session, Values};
use crate::change::body::Body;
use crate::change::definition::Definition;
use crate::change::secret::Revealed;
use crate::lock::silence;
use crate::util::boxed::BoxError;

/// The limits on how long the statements of a change may wait for a lock and may take.
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
    /// The function was not called, because there was no connection for it.
    NotRun(BoxError),
    /// The function returned.
    Returned(Result<T, BoxError>),
    /// The function panicked.
    Panicked(String),
    /// The function was dropped, because it exceeded its timeout.
    TimedOut(Duration),
    /// The function was dropped, because the run was asked to stop.
    Cancelled,
    /// The function was dropped, because the run lost its lock.
    Lost(String),
}

/// The error of a function that was dropped because the run was asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("the run was asked to stop")]
struct AskedToStop;

/// Reports whether a function was dropped because the run was asked to stop.
pub(crate) fn was_stopped(cause: &BoxError) -> bool {
    cause.is::<AskedToStop>()
}

impl<T> Ended<T> {
    /// Reports whether the function was dropped, so that a statement of it may still be running.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(self, Ended::TimedOut(_) | Ended::Cancelled | Ended::Lost(_))
    }

    /// Returns the function's value, or the error to record.
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

/// Everything that a call needs besides a connection.
#[derive(Clone, Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) values: [&'a Values; 3],
    pub(crate) timeout: Option<Duration>,
    pub(crate) limits: Limits,
    pub(crate) signals: &'a StopSignal,
    /// Whether the function may be dropped when the run is asked to stop, because the database
    /// rolls its work back.
    pub(crate) droppable: bool,
    /// The number of earlier attempts whose remains can affect the result: all attempts at the
    /// change that may have left something behind, and none for a rollback.
    #[cfg_attr(
        not(feature = "_sqlx"),
        expect(dead_code, reason = "what only databases use")
    )]
    pub(crate) earlier: u32,
}

impl Invocation<'_> {
    /// Reports whether there is a limit on the time of the function or of its statements.
    pub(crate) fn is_limited(&self) -> bool {
        self.timeout.is_some() || self.limits != Limits::default()
    }

    /// Calls a function of the user. Only the function's own future is ever dropped.
    pub(crate) async fn call<'a, 'c, T>(
        &'a self,
        body: &'a Body<T>,
        session: Session<'a, 'c>,
    ) -> Ended<T> {
        let inputs = Inputs {
            session,
            values: self.values,
        };
        // The extraction of the arguments can panic too, so it is part of the guarded call.
        let call = async { body.invoke(inputs).await };
        self.watch(call).await
    }

    /// Removes the secrets of the change from an error that the database returned.
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

    /// Waits for the user's work, up to its timeout.
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
            StopReason::No => false,
            StopReason::Asked => self.droppable,
            StopReason::Lost(_) => true,
        });
        tokio::select! {
            biased;
            result = call => match result {
                Ok(result) => Ended::Returned(result),
                Err(payload) => Ended::Panicked(panic_text(&*payload)),
            },
            stop = stopped => match stop {
                StopReason::Lost(reason) => Ended::Lost(reason),
                StopReason::No | StopReason::Asked => Ended::Cancelled,
            },
            limit = limit => Ended::TimedOut(limit),
        }
    }
}
