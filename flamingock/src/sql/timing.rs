//! How long the store and the transactions wait, and the name of the lane.

use std::time::Duration;

/// The longest that one look may take: it waits some seconds for the old session by itself.
pub(super) const LOOK: Duration = Duration::from_secs(15);

/// How long to rest before the next look.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// The lane of what runs before an application serves.
pub(super) const LANE: &str = "startup";

/// How long a statement of ours rests before it is repeated because somebody else writes.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(25);
