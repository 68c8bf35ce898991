//! What is watched while a transaction of SQLite is open.

/// What is looked at around a change, where the database itself would say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watching {
    /// Foreign keys may be enforced: rows must not go with a table that is dropped.
    Drops,
    /// The same where each statement commits by itself, unless it loses such rows.
    Statements,
    /// They were switched off for the change: it must break no reference.
    References,
}
