//! What a database's refusal means to us.

/// The kinds of failure that the caller treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// One of our tables is not there.
    MissingTable,
    /// The fencing check refused the row: the lock is another's, or the transaction is not ours.
    Refused,
    /// The transaction lost against a concurrent one and may be tried again from its start.
    Serialization,
    /// The transaction was the victim of a deadlock and may be tried again from its start.
    Deadlock,
    /// A lock was waited for longer than allowed.
    LockTimeout,
    /// SQLite: somebody else writes.
    Busy,
    /// A unique key is there already.
    Duplicate,
    /// The savepoint is gone: the transaction that held it has ended.
    NoSavepoint,
    /// The user of the database may not do this.
    Denied,
    /// The server takes no writes from anybody: it is a standby, or no longer the writer. Another server
    /// may be behind the same address by now.
    ReadOnly,
    /// The connection is gone, so the answer to what was sent is not known.
    Disconnected,
    /// Anything else that the database or the driver refused.
    Other,
}

impl Failure {
    /// Whether the database is known to have rolled the transaction back for another's sake, so
    /// that a second try is sensible.
    pub fn is_conflict(self) -> bool {
        matches!(self, Failure::Serialization | Failure::Deadlock)
    }
}
