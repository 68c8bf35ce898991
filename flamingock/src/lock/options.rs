//! The options of the lock.

use std::time::Duration;

/// Sets the lease of the lock, how long a run waits for it, and how often it polls.
///
/// ```
/// use std::time::Duration;
///
/// use flamingock::{LockOptions, OnLockTimeout};
///
/// let options = LockOptions::default()
///     .lease(Duration::from_secs(60))
///     .wait(Duration::from_secs(10))
///     .on_timeout(OnLockTimeout::Continue);
/// assert_eq!(options.poll, Duration::from_millis(50));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockOptions {
    /// How long the lock stays with its owner after the last renewal, and so how long other
    /// processes wait after an owner has died. Renewed after a third of this time. 30 seconds by
    /// default.
    pub lease: Duration,
    /// How long a run waits for the lock. 3 minutes by default.
    pub wait: Duration,
    /// How long a waiter pauses between its first polls. The pause grows to one second, and is
    /// shorter if the progress of the other run shows when it will end. 50 milliseconds by default.
    pub poll: Duration,
    /// What a run does when another run has the lock for longer than `wait`. It fails by default.
    pub on_timeout: OnLockTimeout,
}

impl LockOptions {
    /// Sets [`lease`](Self::lease).
    #[must_use]
    pub fn lease(self, lease: Duration) -> LockOptions {
        LockOptions { lease, ..self }
    }

    /// Sets [`wait`](Self::wait).
    #[must_use]
    pub fn wait(self, wait: Duration) -> LockOptions {
        LockOptions { wait, ..self }
    }

    /// Sets [`poll`](Self::poll).
    #[must_use]
    pub fn poll(self, poll: Duration) -> LockOptions {
        LockOptions { poll, ..self }
    }

    /// Sets [`on_timeout`](Self::on_timeout).
    #[must_use]
    pub fn on_timeout(self, on_timeout: OnLockTimeout) -> LockOptions {
        LockOptions { on_timeout, ..self }
    }

    /// Limits the wait to a year, so that adding it to a clock cannot overflow.
    pub(crate) fn bounded(self) -> LockOptions {
        LockOptions {
            wait: self.wait.min(Duration::from_secs(365 * 24 * 60 * 60)),
            ..self
        }
    }
}

impl Default for LockOptions {
    fn default() -> Self {
        LockOptions {
            lease: Duration::from_secs(30),
            wait: Duration::from_secs(180),
            poll: Duration::from_millis(50),
            on_timeout: OnLockTimeout::Fail,
        }
    }
}

/// What a run does when it could not acquire the lock in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLockTimeout {
    /// The run fails with [`ErrorKind::LockTimeout`](crate::ErrorKind::LockTimeout).
    #[default]
    Fail,
    /// The run succeeds without having applied or checked anything; a warning in its report says
    /// so.
    Continue,
}
