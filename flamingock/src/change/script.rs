//! SQL as it stands in a file.

use super::client::Client;

/// The statements of a file, or of a part of it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub struct Script {
    /// The file, from the package.
    pub(crate) file: &'static str,
    /// The line of the file that the text begins on, counted from 1.
    pub(crate) line: u32,
    /// The SQL, as it was written.
    pub(crate) text: &'static str,
    /// Whether the comments of goose say where a statement ends.
    pub(crate) has_blocks: bool,
    /// Under whose session options it is run.
    pub(crate) client: Client,
    /// How it says that it is to run without a transaction, in the words of its format.
    pub(crate) without_transaction: &'static str,
}
