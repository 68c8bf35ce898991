//! What kinds of failure there are.

use std::fmt;

use serde::{Serialize, Serializer};

/// What kind of failure an [`Error`](crate::Error) is, and so what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The registry, the pipeline, the settings or the arguments of changes are wrong. Nothing ran,
    /// nothing was locked, and [`problems`](crate::Error::problems) has all of them.
    Invalid,
    /// A change failed, or was not started since its target system was not ready. What else ran is
    /// in the report, and so is a request to stop.
    ChangesFailed,
    /// A change needs manual resolution. What does not depend on it ran.
    Issues,
    /// Changes are pending, and the mode is to check only. Nothing ran.
    Pending,
    /// Another run had the lock for longer than this one may wait. Nothing ran, and
    /// [`lock_owner`](crate::Error::lock_owner) says who has it.
    LockTimeout,
    /// The lock is, or may be, another's. What was running was cut; nothing was written since.
    LeaseLost,
    /// The outcome of a change could not be confirmed or recorded. The next run finds out, or makes
    /// the change an issue.
    InDoubt,
    /// The run was asked to stop before its end, and no change failed.
    Cancelled,
    /// The audit or the lock could not be read or written. Nothing ran, or the report says what.
    Store,
}

impl ErrorKind {
    /// Returns the word that stands for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::ChangesFailed => "changes_failed",
            ErrorKind::Issues => "issues",
            ErrorKind::Pending => "pending",
            ErrorKind::LockTimeout => "lock_timeout",
            ErrorKind::LeaseLost => "lease_lost",
            ErrorKind::InDoubt => "in_doubt",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Store => "store",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
