//! The tables of one database.

use crate::names::Names;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(crate) type Result<T> = std::result::Result<T, sqlx::Error>;

/// The tables of one database.
#[derive(Debug)]
pub struct Ledger<B> {
    pub(super) names: Names,
    /// Set once the database has told where the tables are: a change may move the connection to
    /// another schema.
    pub(super) resolved: OnceLock<Names>,
    /// How long a busy commit is repeated.
    pub(super) patience: Duration,
    /// How long the database's sessions wait for a lock; none once it is known that they do not limit it.
    pub(super) lock_timeout: OnceLock<Option<Duration>>,
    /// Whether the newest entries take a statement of their own.
    pub(super) reads_in_two: AtomicBool,
    /// Whether each entry also writes the lock row.
    pub(super) writes_lock: AtomicBool,
    pub(super) backend: PhantomData<B>,
}
