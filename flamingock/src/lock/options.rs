//! The options of the lock, and its owner for people.

use std::time::Duration;

/// How long a run holds the lock, and how long it waits for it.
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
    /// How long the lock stays with its owner after the last renewal: how long everybody waits after an owner
    /// has died. Renewed at a third of it. 30 seconds by default.
    pub lease: Duration,
    /// How long to wait for another owner. 3 minutes by default.
    pub wait: Duration,
    /// How long a waiter pauses at first between two looks; it grows to one second, and is cut short
    /// where the other run's progress tells when it will end. 50 milliseconds by default.
    pub poll: Duration,
    /// What to do when another run has the lock for longer than this one waits. The default is to
    /// fail.
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

    /// A wait that a clock can be asked to add: "for ever" is a year.
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

/// What to do when the lock was not obtained in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLockTimeout {
    /// The run fails.
    #[default]
    Fail,
    /// The run succeeds with a report that says that nothing is guaranteed.
    Continue,
}
