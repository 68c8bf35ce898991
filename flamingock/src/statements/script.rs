//! The statements of a script, and the facts about it.

use super::quotes::Quoting;
use std::ops::Range;

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement<'a> {
    /// The text to send, without its terminator.
    pub text: &'a str,
    /// The line of the script on which the text begins, from 1.
    pub line: usize,
    /// The bytes of the script that are the text.
    pub range: Range<usize>,
    /// The meaning of quotes and backslashes in it.
    pub quoting: Quoting,
}

/// A script that was split.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Script<'a> {
    /// The statements in order; empty for a script with only comments.
    pub statements: Vec<Statement<'a>>,
    /// Whether it has commands for a client (`DELIMITER`), so that the server cannot run the text
    /// unchanged.
    pub has_client_commands: bool,
    /// The first statement that begins or ends a transaction.
    pub control: Option<TransactionControl>,
    /// Whether it has no statement, or one that consists only of executable comments. A server of
    /// another version or product skips such a statement, and then refuses the semicolon after it.
    pub may_be_empty: bool,
    /// The first placeholder for a value that a program would have to bind. SQLite uses NULL if
    /// nothing is bound; the other databases refuse it.
    pub parameter: Option<Parameter<'a>>,
    /// Whether a statement changes the meaning of quotes and backslashes after it.
    pub changes_quoting: bool,
}

impl<'a> Script<'a> {
    /// Creates a script from statements only.
    pub(crate) fn of(statements: Vec<Statement<'a>>) -> Script<'a> {
        Script {
            statements,
            has_client_commands: false,
            control: None,
            may_be_empty: false,
            parameter: None,
            changes_quoting: false,
        }
    }
}

/// A placeholder for a value that a program binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter<'a> {
    /// The placeholder as it is written: `?`, `:name`.
    pub text: &'a str,
    /// The line of the script, from 1.
    pub line: usize,
}

/// The comments that mark the beginning and the end of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// None: such comments are like any other.
    #[default]
    None,
    /// The text between the lines `-- +goose StatementBegin` and `-- +goose StatementEnd` is one
    /// statement.
    Goose,
}

/// A statement of a script that begins or ends a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionControl {
    /// The line of the script, from 1.
    pub line: usize,
    /// The key word of the statement, in upper case: `COMMIT`.
    pub what: &'static str,
}
