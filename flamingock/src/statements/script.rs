//! What a script consists of.

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
    /// What its quotes and backslashes mean.
    pub quoting: Quoting,
}

/// What a script consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Script<'a> {
    /// The statements in order: none in a script of comments alone.
    pub statements: Vec<Statement<'a>>,
    /// Whether it has commands for a client (`DELIMITER`), so that the server cannot run the text as
    /// it is.
    pub has_client_commands: bool,
    /// The first statement that begins or ends a transaction.
    pub control: Option<TransactionControl>,
    /// Whether there is no statement, or one that is nothing but executable comments. A server of another
    /// version or make reads over it, and then refuses the semicolon behind it.
    pub may_be_empty: bool,
    /// The first place for a value that a program would have to bind. SQLite takes NULL where nothing is
    /// bound; the other databases refuse it by themselves.
    pub parameter: Option<Parameter<'a>>,
    /// Whether a statement changes what the quotes and backslashes behind it mean.
    pub changes_quoting: bool,
}

impl<'a> Script<'a> {
    /// One of statements alone.
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

/// A place for a value that a program binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter<'a> {
    /// As it is written: `?`, `:name`.
    pub text: &'a str,
    /// The line of the script on which it stands, from 1.
    pub line: usize,
}

/// Comments that say where a statement begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// There are none: they are comments like any other.
    #[default]
    None,
    /// What stands between the lines `-- +goose StatementBegin` and `-- +goose StatementEnd` is one
    /// statement.
    Goose,
}

/// A statement of a script that begins or ends a transaction of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionControl {
    /// The line of the script, from 1.
    pub line: usize,
    /// The statement's word, in capitals: `COMMIT`.
    pub what: &'static str,
}
