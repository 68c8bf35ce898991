//! The tables of the audit and the lock.

use std::time::Duration;

use crate::lock::LockOptions;

/// Where the tables stand and how their names begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// The schema (on MySQL a database, on SQLite an attached one); none is the connection's own.
    /// PostgreSQL creates it where it is not there.
    pub schema: Option<String>,
    /// What the names begin with; none is `flamingock_`.
    pub prefix: Option<String>,
}

/// What a store must know of the runner.
#[derive(Clone, Debug, Default)]
pub struct StorageSettings {
    pub(crate) tables: Tables,
    pub(crate) lock: LockOptions,
    /// How long a change in a transaction waits for a lock where others queue behind it.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) allow_untested: bool,
}
