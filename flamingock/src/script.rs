//! SQL as it stands in a file.

/// The statements of a file, or of a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The file, from the package.
    pub(crate) file: &'static str,
    /// The line of the file that the text begins on, counted from 1.
    pub(crate) line: u32,
    /// The SQL, as it was written.
    pub(crate) text: &'static str,
}
