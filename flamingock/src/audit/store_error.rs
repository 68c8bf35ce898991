//! The error type of stores.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::util::boxed::BoxError;
use crate::util::error_chain::ErrorChain;

/// The kind of a store's error, which determines how the run reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    #[serde(other)]
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

/// Writes the kind, what failed, and the causes.
impl Serialize for StoreError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("StoreError", 3)?;
        fields.serialize_field("kind", &self.kind)?;
        fields.serialize_field("action", &self.action)?;
        fields.serialize_field("causes", &ErrorChain::of(&*self.source))?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for StoreError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StoreError, D::Error> {
        #[derive(Deserialize)]
        struct Read {
            kind: StoreErrorKind,
            action: String,
            causes: Vec<String>,
        }
        let read = Read::deserialize(deserializer)?;
        let causes = read.causes.into_iter().rev();
        let source = causes.fold(None, |source: Option<Box<Told>>, text| {
            Some(Box::new(Told { text, source }))
        });
        let source: BoxError = match source {
            Some(source) => source,
            None => "no cause is known".into(),
        };
        Ok(StoreError::new(read.kind, read.action, source))
    }
}

/// A cause that was read.
#[derive(Debug)]
struct Told {
    text: String,
    source: Option<Box<Told>>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

pub(crate) fn missing_tables() -> StoreError {
    StoreError::new(
        StoreErrorKind::MissingTable,
        "the table `flamingock_audit`, or one of those beside it, is not there, and `create_tables(false)` keeps the run from creating it: create the tables with the statements that `Runner::schema()` gives",
        "no such table",
    )
}
