//! The session that blocks a transaction, if the database can report it. It is read while the
//! transaction waits, because after a timeout it is too late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::util::boxed::BoxError;

/// The longest and the shortest pause between two queries.
pub(super) const POLL_PAUSES: [Duration; 2] =
    [Duration::from_millis(250), Duration::from_millis(10)];

/// The session that was found last.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocker(Arc<Mutex<Option<String>>>);

/// A wait for a lock that timed out.
#[derive(Debug, thiserror::Error)]
#[error("it waited too long for a lock of {by}")]
struct Blocked {
    by: String,
    #[source]
    cause: BoxError,
}

impl Blocker {
    pub(super) fn record(&self, by: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    /// Adds the session to the error.
    pub(super) fn add_to(&self, cause: BoxError) -> BoxError {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last {
            Some(by) => Box::new(Blocked { by, cause }),
            None => cause,
        }
    }
}
