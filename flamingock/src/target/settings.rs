//! The settings of the runner that a store and the databases need.

use crate::audit::tables::TableNames;
use crate::lock::options::LockOptions;
use std::time::Duration;

/// The settings of the runner that a store needs.
#[derive(Clone, Debug, Default)]
pub struct StorageSettings {
    pub(crate) tables: TableNames,
    pub(crate) lock: LockOptions,
    /// How long a change in a transaction waits for a lock, in a database where others queue behind
    /// it.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) allow_untested: bool,
    /// How many stages run side by side at most.
    pub(crate) parallel_stages: usize,
}
