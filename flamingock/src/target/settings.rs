//! What a store and the targets must know of the runner.

use crate::audit::tables::TableNames;
use crate::lock::options::LockOptions;
use std::time::Duration;

/// What a store must know of the runner.
#[derive(Clone, Debug, Default)]
pub struct StorageSettings {
    pub(crate) tables: TableNames,
    pub(crate) lock: LockOptions,
    /// How long a change in a transaction waits for a lock where others queue behind it.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) allow_untested: bool,
}
