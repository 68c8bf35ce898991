//! Splitting a script into its statements, by the rules of its database.
//!
//! A script is split only where that is necessary: outside a transaction, where each statement is
//! sent by itself, and if it has commands for a client, such as `DELIMITER`. Nothing is parsed and
//! nothing is rewritten: a statement is a part of the script's own text, with its hints and
//! executable comments. Between two statements are only blanks, comments and terminators.
//!
//! No existing tokenizer was suitable. None keeps executable comments, supports `DELIMITER`, and
//! recognizes the end of a SQLite trigger or of a `BEGIN ATOMIC` body. A tokenizer that refuses
//! unknown syntax would also keep users from new releases of their database. This one recognizes
//! only what begins or ends a statement: quotes, comments, and blocks.
//!
//! The meaning of quotes and backslashes is a setting of the session, which the caller passes.

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
mod session;
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
pub(crate) use crate::statements::session::{changes_only_rows, leaves_session_alone};
pub use crate::statements::shorten::shorten;
#[cfg(feature = "templates")]
pub(crate) use crate::statements::unquoted::line_of_unquoted;

use crate::util::database_kind::DatabaseKind;

/// Reads a script for a session whose settings are the server's defaults. The time is linear in the
/// length of the text, whatever it contains.
///
/// # Errors
/// A string, a quoted name, a comment or a block that is not closed; a command that only a client
/// knows; a NUL byte.
pub fn read(kind: DatabaseKind, text: &str, blocks: Blocks) -> Result<Script<'_>, SplitError> {
    read_as(kind, text, blocks, Quoting::of(kind))
}

/// Reads a script for a session in which quotes and backslashes have this meaning.
///
/// # Errors
/// The same as [`read`].
pub fn read_as(
    kind: DatabaseKind,
    text: &str,
    blocks: Blocks,
    quoting: Quoting,
) -> Result<Script<'_>, SplitError> {
    splitter::Splitter::new(kind, text, blocks, quoting).run()
}

/// Returns the statements of a script.
///
/// # Errors
/// The same as [`read`].
pub fn split(
    kind: DatabaseKind,
    text: &str,
    blocks: Blocks,
) -> Result<Vec<Statement<'_>>, SplitError> {
    Ok(read(kind, text, blocks)?.statements)
}

/// Returns the first statement of a script that begins or ends a transaction. A script must have
/// none inside a transaction of the engine. Savepoints, and statements in the bodies of functions
/// and triggers, do not count.
///
/// # Errors
/// The same as [`read`].
pub fn transaction_control(
    kind: DatabaseKind,
    text: &str,
    blocks: Blocks,
) -> Result<Option<TransactionControl>, SplitError> {
    Ok(read(kind, text, blocks)?.control)
}
