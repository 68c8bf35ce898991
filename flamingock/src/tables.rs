//! The tables of the audit and the lock.

use std::time::Duration;

use crate::lock::LockOptions;

/// Where the tables stand and how their names begin: `TableNames::default().prefix("app_changes_")`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableNames {
    /// The schema (on MySQL a database, on SQLite an attached one); none is the connection's own.
    /// PostgreSQL creates it where it is not there.
    pub schema: Option<String>,
    /// What the names begin with; none is `flamingock_`.
    pub prefix: Option<String>,
}

impl TableNames {
    /// Sets [`schema`](Self::schema).
    #[must_use]
    pub fn schema(self, schema: impl Into<String>) -> TableNames {
        TableNames {
            schema: Some(schema.into()),
            ..self
        }
    }

    /// Sets [`prefix`](Self::prefix).
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> TableNames {
        TableNames {
            prefix: Some(prefix.into()),
            ..self
        }
    }
}

/// What a store must know of the runner.
#[derive(Clone, Debug, Default)]
pub struct StorageSettings {
    pub(crate) tables: TableNames,
    pub(crate) lock: LockOptions,
    /// How long a change in a transaction waits for a lock where others queue behind it.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) allow_untested: bool,
}
