//! The SQL of a file.

use super::client::Client;

/// The statements of a file, or of a part of it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub struct Script {
    /// The path of the file, relative to its package.
    pub(crate) file: &'static str,
    /// The line of the file on which the text begins, from 1.
    pub(crate) line: u32,
    /// The SQL as it was written.
    pub(crate) text: &'static str,
    /// Whether goose's comments mark the ends of statements.
    pub(crate) has_blocks: bool,
    /// The client whose session options it runs with.
    pub(crate) client: Client,
    /// How the file's format says that a change runs without a transaction.
    pub(crate) without_transaction: &'static str,
}
