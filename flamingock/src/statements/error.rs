//! The errors of scripts.

use std::fmt;

use super::shorten::shorten;

/// The error of a script that cannot be split, or that the server of its database would not
/// understand.
///
/// Its text names the file if it is known, the line, the rule, and the beginning of the text that
/// breaks the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitError {
    file: Option<String>,
    line: usize,
    flaw: Flaw,
    excerpt: String,
}

/// The rule that a script breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A string without its closing quote.
    OpenString {
        /// The missing quote.
        close: char,
    },
    /// A quoted name without its closing quote.
    OpenName {
        /// The missing quote.
        close: char,
    },
    /// A comment without its `*/`.
    OpenComment,
    /// A dollar-quoted string whose closing tag is missing.
    OpenDollarQuote {
        /// The tag with its dollar signs.
        tag: String,
    },
    /// A NUL byte.
    Nul,
    /// A command that a client of the database executes, and that the server does not know.
    ClientCommand {
        /// The name of the client.
        client: &'static str,
        /// The command.
        command: String,
    },
    /// `COPY` from or to the client.
    CopyOfClient,
    /// A template, `{{ .. }}`, which is not SQL.
    Template,
    /// An invalid `DELIMITER`.
    Delimiter {
        /// The reason.
        reason: &'static str,
    },
    /// A backslash before a quote, after a statement that changes the meaning of backslashes in a
    /// way that its text does not show.
    UnknownQuoting {
        /// The beginning of the statement that changes the setting.
        set: String,
    },
    /// A `StatementBegin` without its `StatementEnd`.
    OpenBlock,
    /// A misplaced `StatementBegin` or `StatementEnd`.
    StrayBlock {
        /// The reason.
        reason: &'static str,
    },
}

impl SplitError {
    /// Creates the error for a flaw at a byte of a script.
    pub(super) fn at(text: &str, at: usize, flaw: Flaw) -> SplitError {
        let before = text.as_bytes().iter().take(at);
        SplitError {
            file: None,
            line: 1 + before.filter(|&&byte| byte == b'\n').count(),
            flaw,
            excerpt: shorten(text.get(at..).unwrap_or_default()),
        }
    }

    /// Adds the name of the script's file, with which the text of the error then begins.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> SplitError {
        self.file = Some(file.into());
        self
    }

    /// Adjusts the line for a script that begins on the line `first` (from 1) of its file.
    #[must_use]
    pub fn from_line(mut self, first: usize) -> SplitError {
        self.line += first.saturating_sub(1);
        self
    }

    /// Returns the line, from 1. If something is not closed, that is the line on which it begins.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the rule that is broken.
    pub fn flaw(&self) -> &Flaw {
        &self.flaw
    }
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}: {}", self.line, self.flaw)?,
            None => write!(f, "line {}: {}", self.line, self.flaw)?,
        }
        if !self.excerpt.is_empty() {
            write!(f, ": {}", self.excerpt)?;
        }
        Ok(())
    }
}

impl std::error::Error for SplitError {}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::OpenString { close } => {
                write!(f, "the string that begins here has no closing {close}")
            }
            Flaw::OpenName { close } => {
                write!(f, "the quoted name that begins here has no closing {close}")
            }
            Flaw::OpenComment => write!(f, "the comment that begins here has no closing */"),
            Flaw::OpenDollarQuote { tag } => {
                write!(f, "the string that begins here has no closing {tag}")
            }
            Flaw::Nul => write!(
                f,
                "a NUL byte: a database would stop reading there; remove it"
            ),
            Flaw::ClientCommand { client, command } => write!(
                f,
                "{command} is a command of the program {client}, not of the database: {}",
                instead_of(command)
            ),
            Flaw::CopyOfClient => write!(
                f,
                "COPY from STDIN or to STDOUT needs a client that sends or takes the rows: write the rows as INSERT (`pg_dump --inserts` does), or let a code change copy them"
            ),
            Flaw::Template => write!(
                f,
                "{{{{ .. }}}} is a place that another tool fills in, as pop, bun and morph do; nothing is put there: write the value"
            ),
            Flaw::Delimiter { reason } => write!(
                f,
                "{reason}: write a delimiter of at most 16 bytes without quotes and backslashes, as in DELIMITER //"
            ),
            Flaw::UnknownQuoting { set } => write!(
                f,
                "whether this backslash escapes the quote depends on a value that the file does not tell, that of `{set}`: double the quote (''), or set the mode by its name"
            ),
            Flaw::OpenBlock => write!(
                f,
                "the statement that begins here has no line `-- +goose StatementEnd`"
            ),
            Flaw::StrayBlock { reason } => f.write_str(reason),
        }
    }
}

/// Returns what to do about a command that no server knows.
fn instead_of(command: &str) -> &'static str {
    match command {
        "\\restrict" | "\\unrestrict" => {
            "pg_dump writes it, and it only keeps psql from other commands of its own. Remove the lines `\\restrict` and `\\unrestrict`"
        }
        "\\connect" | "\\c" => {
            "remove it. A change runs in the database of its target system: what is for another database goes to a folder with a `target` of its own"
        }
        "\\copy" | "\\." => {
            "write the rows as INSERT (`pg_dump --inserts` does), or let a code change copy them"
        }
        "\\i" | "\\ir" | "\\include" | "\\include_relative" | ".read" => {
            "put the statements of that file here, or make it a change of its own"
        }
        _ => "remove it, or say it in SQL",
    }
}
