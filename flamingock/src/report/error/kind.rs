//! The kinds of errors.

use std::fmt;

use serde::{Serialize, Serializer};

/// The kind of an [`Error`](crate::Error), which determines what you can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The registry, the pipeline, the settings, or the arguments of changes are invalid. Nothing
    /// ran and nothing was locked. [`problems`](crate::Error::problems) lists every problem.
    Invalid,
    /// A change failed, or its target system was not ready. The report says which other changes
    /// ran, and whether the run was asked to stop.
    ChangesFailed,
    /// A change needs manual resolution. The changes that do not depend on it ran.
    Issues,
    /// Changes are pending, and the mode is check only. Nothing ran.
    Pending,
    /// Another run had the lock for longer than this run waits. Nothing ran.
    /// [`lock_owner`](crate::Error::lock_owner) returns the owner.
    LockTimeout,
    /// The lock has, or may have, another owner. Running work was cut off, and nothing was written
    /// after that.
    LeaseLost,
    /// The outcome of a change could not be confirmed or recorded. The next run determines it, or
    /// makes the change an issue.
    InDoubt,
    /// The run was asked to stop before it finished, and no change failed.
    Cancelled,
    /// The audit or the lock could not be read or written. Nothing ran, or the report says what
    /// did.
    Store,
}

impl ErrorKind {
    /// Returns the name of the kind in JSON.
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
