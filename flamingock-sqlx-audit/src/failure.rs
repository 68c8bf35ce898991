//! The classification of database errors.

/// The kinds of failures that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// One of the tables does not exist.
    MissingTable,
    /// The fencing check refused the row: the lock has another owner, or the transaction is not the
    /// one that was begun.
    Refused,
    /// The transaction lost against a concurrent one, and can be tried again from its beginning.
    Serialization,
    /// The transaction was the victim of a deadlock, and can be tried again from its beginning.
    Deadlock,
    /// The wait for a lock exceeded its limit.
    LockTimeout,
    /// SQLite: another connection is writing.
    Busy,
    /// A unique key exists already.
    Duplicate,
    /// The savepoint does not exist: its transaction has ended.
    NoSavepoint,
    /// The database user lacks the necessary rights.
    Denied,
    /// The server is read-only: it is a standby, or no longer the primary. The same address may
    /// lead to another server by now.
    ReadOnly,
    /// The connection was lost, so the result of the statement is unknown.
    Disconnected,
    /// Any other error of the database or the driver.
    Other,
}

impl Failure {
    /// Reports whether the database rolled the transaction back in favor of another one, so that a
    /// second try is worthwhile.
    pub fn is_conflict(self) -> bool {
        matches!(self, Failure::Serialization | Failure::Deadlock)
    }
}
