//! Errors of stores.

use crate::util::boxed::BoxError;
use std::borrow::Cow;

/// What a failure of a store means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The tables are not there.
    MissingTable,
    /// The lock has another owner: the database refused the row.
    Refused,
    /// The user of the database may not do this.
    Denied,
    /// The server takes no writes: it is a standby, or was demoted. Another one may be behind the
    /// same address by now, so it is worth trying again on a new connection.
    ReadOnly,
    /// No test proves that what runs behind the address keeps what Flamingock relies on:
    /// [`Runner::allow_untested_database`](crate::Runner::allow_untested_database).
    Untested,
    /// The database could not be reached, or the connection was lost.
    Disconnected,
    /// Another connection is writing, and excludes all others; it is worth trying again.
    Busy,
    /// It lost against a concurrent transaction; it is worth trying again.
    Conflict,
    /// The tables have the format of an older or a newer version:
    /// [`Runner::schema_upgrade`](crate::Runner::schema_upgrade).
    OtherFormat,
    /// Anything else.
    Other,
}

/// A store that could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct StoreError {
    /// What it means for the run.
    pub kind: StoreErrorKind,
    action: Cow<'static, str>,
    #[source]
    source: BoxError,
}

impl StoreError {
    /// `action` says what could not be done, as in "could not read the audit".
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
