//! Time limits and pauses of the store and of transactions.

use std::time::Duration;

/// The time limit of one attempt to determine an outcome. It includes some seconds in which the
/// statement waits for the old session.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// The pause between two such attempts.
pub(super) const POLL_PAUSE: Duration = Duration::from_millis(250);

/// The pause before a statement is repeated because another session writes.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(25);
