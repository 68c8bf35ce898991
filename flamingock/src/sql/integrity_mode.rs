//! What is checked around a change of SQLite.

/// What is checked around a change, in cases in which the database itself reports no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntegrityMode {
    /// Foreign keys may be enforced: a dropped table must not delete rows of its child tables.
    DroppedTables,
    /// The same for a change that commits each statement by itself: a statement that would delete
    /// such rows is rolled back.
    DroppedTablesPerStatement,
    /// Foreign keys were switched off for the change: it must leave no broken reference.
    BrokenReferences,
}
