//! Waiting until a target system is ready.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;

use crate::util::boxed::{BoxError, BoxFuture};
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::chain;
use crate::util::panic::panic_text;

/// The first and the longest pause between two readiness checks: it doubles in between.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest timeout: a year, so that adding it to a clock cannot overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The readiness check of a target system, and its timeout.
#[derive(Clone)]
pub(crate) struct Ready {
    check: Arc<dyn Fn() -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>,
    pub(crate) timeout: Duration,
}

impl Ready {
    pub(crate) fn new<F, Fut, E>(check: F, timeout: Duration) -> Ready
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Ready {
            check: Arc::new(move || {
                let asked = check();
                Box::pin(async move { asked.await.map_err(Into::into) })
            }),
            timeout: timeout.min(LONGEST_WAIT),
        }
    }

    /// Calls the readiness check once.
    pub(crate) async fn ask(&self) -> Result<(), ErrorChain> {
        // Creating the future is the application's code, too, and may panic.
        let asked = AssertUnwindSafe(async { (self.check)().await });
        match asked.catch_unwind().await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(payload) => {
                let text = format!("its readiness check panicked: {}", panic_text(&*payload));
                Err(ErrorChain::text(&text))
            }
        }
    }

    /// Returns the error of the changes of a target system that was not ready in time.
    pub(crate) fn not_ready(&self, target: &str, last: Option<&ErrorChain>) -> ErrorChain {
        let text = ErrorChain::text(&format!(
            "the target system {target:?} was not ready in {}, and nothing was started at it",
            humantime::format_duration(self.timeout)
        ));
        match last {
            Some(last) => text.and_all(last),
            None => text.and("its readiness check did not answer"),
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The results of a run's readiness checks: each target system is waited for once.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<HashMap<String, Result<(), ErrorChain>>>);

impl Readiness {
    pub(crate) fn known(&self, target: &str) -> Option<Result<(), ErrorChain>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(target).cloned()
    }

    pub(crate) fn learn(&self, target: &str, answer: Result<(), ErrorChain>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(target.to_owned(), answer);
    }
}
