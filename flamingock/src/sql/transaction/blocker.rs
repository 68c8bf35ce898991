//! Whom a transaction waits for that waits for a lock, where the database can tell: once it has waited
//! too long, it is too late to ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::util::boxed::BoxError;

/// How long to rest before the next look, at most and at least.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(10)];

/// Who was seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocker(Arc<Mutex<Option<String>>>);

/// A lock that was waited for in vain.
#[derive(Debug, thiserror::Error)]
#[error("it waited too long for a lock of {by}")]
struct Blocked {
    by: String,
    #[source]
    cause: BoxError,
}

impl Blocker {
    pub(super) fn note(&self, by: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    /// Names who was seen.
    pub(super) fn name_in(&self, cause: BoxError) -> BoxError {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match seen {
            Some(by) => Box::new(Blocked { by, cause }),
            None => cause,
        }
    }
}
