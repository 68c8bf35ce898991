//! Writing files: new ones, and lines that are added to existing ones.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::util::visible::Visible;

/// A line that is added to an existing file.
pub(super) struct Edit {
    pub(super) file: PathBuf,
    pub(super) what: String,
    pub(super) before: String,
    pub(super) after: String,
}

impl Edit {
    pub(super) fn write(&self) -> Result<(), Failure> {
        fs::write(&self.file, &self.after).map_err(|error| could_not("write", &self.file, &error))
    }

    /// Undoes [`write`](Self::write).
    pub(super) fn restore(&self) {
        let _ = fs::write(&self.file, &self.before);
    }
}

/// Creates a file that does not exist yet, with its folders.
pub(super) fn create(file: &Path, text: &str) -> Result<(), Failure> {
    let written = file
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(file))
        .and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| could_not("create", file, &error))
}

pub(super) fn could_not(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::file(
        &format!("could not {what} {}", Visible(file.display())),
        error,
    )
}

/// Adds a `mod` line after the others, or after the comments and attributes of the file.
pub(super) fn with_module(text: &str, line: &str) -> String {
    let is_module = |one: &str| {
        let one = one.strip_prefix("pub(crate) ").unwrap_or(one);
        let one = one.strip_prefix("pub ").unwrap_or(one);
        one.starts_with("mod ") && one.trim_end().ends_with(';')
    };
    let is_head = |one: &str| one.starts_with("//!") || one.starts_with("#![");
    let lines: Vec<&str> = text.lines().collect();
    let modules = lines.iter().rposition(|one| is_module(one));
    let head = lines.iter().rposition(|one| is_head(one));
    let (at, added) = match (modules, head) {
        (Some(last), _) => (last + 1, vec![line]),
        (None, Some(last)) => (last + 1, vec!["", line]),
        (None, None) if lines.is_empty() => (0, vec![line]),
        (None, None) => (0, vec![line, ""]),
    };
    let (before, after) = lines.split_at(at);
    let lines: Vec<&str> = before
        .iter()
        .copied()
        .chain(added)
        .chain(after.iter().copied())
        .collect();
    format!("{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mod_line_follows_the_others() {
        for (text, expected) in [
            ("", "mod x;\n"),
            (
                "mod a;\npub mod b;\n\nfn c() {}\n",
                "mod a;\npub mod b;\nmod x;\n\nfn c() {}\n",
            ),
            (
                "//! Changes.\n\nfn c() {}\n",
                "//! Changes.\n\nmod x;\n\nfn c() {}\n",
            ),
            ("fn c() {}\n", "mod x;\n\nfn c() {}\n"),
            ("mod tests {\n}\n", "mod x;\n\nmod tests {\n}\n"),
        ] {
            assert_eq!(with_module(text, "mod x;"), expected, "{text}");
        }
    }
}
