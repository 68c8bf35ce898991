//! The state of a ledger.

use crate::names::Names;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(crate) type Result<T> = std::result::Result<T, sqlx::Error>;

/// The tables of one database, and the statements for them.
#[derive(Debug)]
pub struct Ledger<B> {
    pub(super) names: Names,
    /// Set once the database has reported the schema of the tables, because a change may move the
    /// connection to another schema.
    pub(super) resolved: OnceLock<Names>,
    /// How long a busy commit is repeated.
    pub(super) patience: Duration,
    /// How long the sessions of the database wait for a lock; `None` once it is known that they do
    /// not limit it.
    pub(super) lock_timeout: OnceLock<Option<Duration>>,
    /// Whether each entry also writes the row of the lock.
    pub(super) writes_lock: AtomicBool,
    pub(super) backend: PhantomData<B>,
}
