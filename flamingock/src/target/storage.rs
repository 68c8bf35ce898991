//! The storage that [`Runner::new`](crate::Runner::new) takes: the store of the audit and the lock.

use crate::audit::memory::MemoryStore;
use std::fmt;
use std::sync::Arc;

use super::settings::StorageSettings;
use super::system::TargetSystem;
use crate::audit::store::Store;
use crate::change::problem::Problem;

/// An open store, and the target system of the same database.
#[derive(Debug)]
pub struct Storage {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) target: TargetSystem,
}

impl Storage {
    /// Wraps the store, for everything that goes through the traits of stores. The transactions of
    /// shared changes do not.
    #[doc(hidden)]
    pub fn with_store(self, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Storage {
        Storage {
            store: wrap(self.store),
            target: self.target,
        }
    }
}

/// Opens a storage once the runner's settings are known.
pub trait OpenStorage: fmt::Debug + Send + Sync {
    #[doc(hidden)]
    fn open(&self, settings: &StorageSettings) -> Result<Storage, Vec<Problem>>;
}

/// A storage for the audit and the lock: `&PgPool`, `&MySqlPool`, `&SqlitePool`, a
/// [`MemoryStore`](crate::MemoryStore), or an `Arc` of your own store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as an audit store",
    label = "expected `&SqlitePool`, `&PgPool`, `&MySqlPool`, `MemoryStore`, or an `Arc` of a store of your own",
    note = "pools need the feature of their database: `sqlite`, `postgres` or `mysql`"
)]
pub trait IntoStorage {
    #[doc(hidden)]
    fn into_storage(self) -> Box<dyn OpenStorage>;
}

/// A store of the application's own.
#[derive(Debug)]
struct OwnStorage(Arc<dyn Store>);

impl OpenStorage for OwnStorage {
    fn open(&self, _settings: &StorageSettings) -> Result<Storage, Vec<Problem>> {
        let target = TargetSystem::new(crate::change::names::DEFAULT);
        Ok(Storage {
            store: Arc::clone(&self.0),
            target,
        })
    }
}

impl<S: Store + 'static> IntoStorage for Arc<S> {
    fn into_storage(self) -> Box<dyn OpenStorage> {
        Box::new(OwnStorage(self))
    }
}

impl IntoStorage for MemoryStore {
    fn into_storage(self) -> Box<dyn OpenStorage> {
        Arc::new(self).into_storage()
    }
}

impl IntoStorage for &MemoryStore {
    fn into_storage(self) -> Box<dyn OpenStorage> {
        Arc::new(self.clone()).into_storage()
    }
}
