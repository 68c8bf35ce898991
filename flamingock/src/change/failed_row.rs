//! A row that a change in batches could not do.

use serde::{Deserialize, Serialize};

/// A row that a batch could not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedRow {
    /// The key of the row, as JSON.
    pub key: String,
    /// Why it failed.
    pub error: String,
}

impl FailedRow {
    /// Creates a row with this key, as JSON.
    pub fn new(key: impl Into<String>, error: impl Into<String>) -> FailedRow {
        FailedRow {
            key: key.into(),
            error: error.into(),
        }
    }
}
