//! The kinds of tokens.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Comment,
    /// A comment that speaks to the planner: `/*+ .. */`. It stays with its statement.
    Hint,
    /// The `/*!` or `/*!50003` of a comment that MySQL or MariaDB executes, and its `*/`.
    ExecutableOpen,
    ExecutableClose,
    /// A key word or a name without quotes.
    Word,
    /// A string, a number, a quoted name.
    Value,
    /// A place for a value that a program binds (SQLite): `?`, `:name`.
    Parameter,
    /// Any other byte, `;` among them.
    Symbol(u8),
    /// The delimiter that a `DELIMITER` command has set.
    Delimiter,
}
