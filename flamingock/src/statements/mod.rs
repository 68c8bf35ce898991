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
pub(crate) mod context;
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
pub(crate) mod quotes;
mod quoting;
mod scanner;
pub(crate) mod script;
mod shape;
mod shorten;
mod splitter;
mod sqlite;
#[cfg(test)]
mod tests;
pub(crate) mod token;
pub(crate) mod tokens;
#[cfg(feature = "templates")]
mod unquoted;

pub(crate) use crate::statements::alone::{may_need_no_transaction, needs_no_transaction};
pub(crate) use crate::statements::control::commits_by_itself;
pub use crate::statements::error::{Flaw, SplitError};
pub(crate) use crate::statements::indexes::made_if_absent;
pub(crate) use crate::statements::pragma::{Pragma, pragma};
pub use crate::statements::quotes::Quoting;
pub use crate::statements::script::{Blocks, Script, Statement, TransactionControl};
pub use crate::statements::shorten::shorten;
#[cfg(feature = "templates")]
pub(crate) use crate::statements::unquoted::line_of_unquoted;

use crate::util::database_kind::DatabaseKind;

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
