//! Whether a target system is ready to be worked at.

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

/// The pause after the first answer, and the longest one: it doubles in between.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest wait that a clock can be asked to add: "for ever" is a year.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a target system is asked, and for how long.
#[derive(Clone)]
pub(crate) struct Ready {
    probe: Arc<dyn Fn() -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>,
    pub(crate) timeout: Duration,
}

impl Ready {
    pub(crate) fn new<F, Fut, E>(probe: F, timeout: Duration) -> Ready
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Ready {
            probe: Arc::new(move || {
                let asked = probe();
                Box::pin(async move { asked.await.map_err(Into::into) })
            }),
            timeout: timeout.min(LONGEST_WAIT),
        }
    }

    /// Asks once.
    pub(crate) async fn ask(&self) -> Result<(), ErrorChain> {
        // Making the future is the application's code, too.
        let asked = AssertUnwindSafe(async { (self.probe)().await });
        match asked.catch_unwind().await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(payload) => {
                let text = format!("its readiness probe panicked: {}", panic_text(&*payload));
                Err(ErrorChain::text(&text))
            }
        }
    }

    /// Why nothing is started at a target that was not ready in time.
    pub(crate) fn not_ready(&self, target: &str, last: Option<&ErrorChain>) -> ErrorChain {
        let text = ErrorChain::text(&format!(
            "the target system {target:?} was not ready in {}, and nothing was started at it",
            humantime::format_duration(self.timeout)
        ));
        match last {
            Some(last) => text.and_all(last),
            None => text.and("its readiness probe did not answer"),
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

/// What a run has found out about its target systems: each is waited for once.
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
