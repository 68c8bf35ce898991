//! The error type of stores.

use crate::util::boxed::BoxError;
use std::borrow::Cow;

/// The kind of a store's error, which determines how the run reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The tables do not exist.
    MissingTable,
    /// The lock has another owner, so the database refused the row.
    Refused,
    /// The database user lacks the necessary rights.
    Denied,
    /// The server is read-only: it is a standby, or was demoted. The same address may lead to
    /// another server by now, so a retry on a new connection is worthwhile.
    ReadOnly,
    /// The database product is not covered by tests: see
    /// [`Runner::allow_untested_database`](crate::Runner::allow_untested_database).
    Untested,
    /// The database was not reachable, or the connection was lost.
    Disconnected,
    /// Another connection is writing and excludes all others. A retry is worthwhile.
    Busy,
    /// The transaction lost against a concurrent one. A retry is worthwhile.
    Conflict,
    /// The tables have the format of an older or a newer version: see
    /// [`Runner::schema_upgrade`](crate::Runner::schema_upgrade).
    OtherFormat,
    /// Any other error.
    Other,
}

/// The error of a store: what failed, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct StoreError {
    /// The kind of the error.
    pub kind: StoreErrorKind,
    action: Cow<'static, str>,
    #[source]
    source: BoxError,
}

impl StoreError {
    /// Creates an error. `action` says what failed, such as "could not read the audit".
    pub fn new(
        kind: StoreErrorKind,
        action: impl Into<Cow<'static, str>>,
        source: impl Into<BoxError>,
    ) -> StoreError {
        StoreError {
            kind,
            action: action.into(),
            source: source.into(),
        }
    }
}

pub(crate) fn missing_tables() -> StoreError {
    StoreError::new(
        StoreErrorKind::MissingTable,
        "the table `flamingock_audit`, or one of those beside it, is not there, and `create_tables(false)` keeps the run from creating it: create the tables with the statements that `Runner::schema()` gives",
        "no such table",
    )
}
