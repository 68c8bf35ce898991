//! The kinds of tokens.

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Comment,
    /// A hint for the planner: `/*+ .. */`. It stays with its statement.
    Hint,
    /// The `/*!` or `/*!50003` of a comment that MySQL or MariaDB executes, and its `*/`.
    ExecutableOpen,
    ExecutableClose,
    /// A key word or an unquoted name.
    Word,
    /// A string, a number, or a quoted name.
    Value,
    /// A placeholder for a value that a program binds (SQLite): `?`, `:name`.
    Parameter,
    /// Any other byte, such as `;`.
    Symbol(u8),
    /// The delimiter that a `DELIMITER` command has set.
    Delimiter,
}
