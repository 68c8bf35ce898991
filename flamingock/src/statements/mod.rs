//! A script's statements: where each begins and ends, by the rules of its database.
//!
//! A script is split only where it has to be: outside a transaction, where each statement is sent by
//! itself, and where it has commands for a client, such as `DELIMITER`. Nothing is parsed and nothing
//! is rewritten: a statement is a part of the script's own text, with its hints and executable
//! comments, and what lies between two of them is blanks, comments and terminators.
//!
//! Three tokenizers, or one for all of them, would have been there already. None keeps executable
//! comments, reads `DELIMITER`, and knows where a trigger of SQLite or a `BEGIN ATOMIC` body ends;
//! and a tokenizer that refuses what it does not know stands between a user and a new release of
//! the database. Here only what begins or ends a statement matters: quotes, comments, and blocks.
//!
//! What quotes and backslashes mean is a setting of the session: the caller passes it.

mod alone;
mod conforming;
mod control;
mod delimiter;
mod error;
mod goose;
mod indexes;
mod lexer;
mod mysql;
mod mysql_blocks;
mod postgres;
mod pragma;
mod quoting;
mod scanner;
mod shape;
mod shorten;
mod splitter;
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(feature = "templates")]
mod unquoted;

use std::ops::Range;

pub(crate) use crate::statements::alone::{may_need_no_transaction, needs_no_transaction};
pub use crate::statements::control::TransactionControl;
pub(crate) use crate::statements::control::commits_by_itself;
pub use crate::statements::error::{Flaw, SplitError};
pub(crate) use crate::statements::indexes::made_if_absent;
pub(crate) use crate::statements::pragma::{Pragma, pragma};
pub use crate::statements::quoting::Quoting;
pub(crate) use crate::statements::quoting::depends_on_backslashes;
pub use crate::statements::shorten::shorten;
#[cfg(feature = "templates")]
pub(crate) use crate::statements::unquoted::line_of_unquoted;

use crate::util::database_kind::DatabaseKind;

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

/// Reads a script for a session whose settings are the server's defaults. The time grows with the length of
/// the text, whatever is in it.
///
/// # Errors
/// A string, a quoted name, a comment or a block that does not end; a command that only a client
/// knows; a NUL byte.
pub fn read(kind: DatabaseKind, text: &str, blocks: Blocks) -> Result<Script<'_>, SplitError> {
    read_as(kind, text, blocks, Quoting::of(kind))
}

/// Reads a script for a session in which quotes and backslashes have this meaning.
///
/// # Errors
/// As [`read`].
pub fn read_as(
    kind: DatabaseKind,
    text: &str,
    blocks: Blocks,
    quoting: Quoting,
) -> Result<Script<'_>, SplitError> {
    splitter::Splitter::new(kind, text, blocks, quoting).run()
}

/// The statements of a script.
///
/// # Errors
/// As [`read`].
pub fn split(
    kind: DatabaseKind,
    text: &str,
    blocks: Blocks,
) -> Result<Vec<Statement<'_>>, SplitError> {
    Ok(read(kind, text, blocks)?.statements)
}

/// The first statement of a script that begins or ends a transaction: inside a transaction of the
/// engine there must be none. What stands in the bodies of functions and triggers does not count,
/// nor do savepoints.
///
/// # Errors
/// As [`read`].
pub fn transaction_control(
    kind: DatabaseKind,
    text: &str,
    blocks: Blocks,
) -> Result<Option<TransactionControl>, SplitError> {
    Ok(read(kind, text, blocks)?.control)
}
