//! `DELIMITER`, the command that tells a MySQL client which text ends a statement.

use super::error::Flaw;
use super::scanner::Scanner;
use super::scanner::is_in_word;

/// The client's own limit, which also keeps the time linear.
const LONGEST: usize = 16;

/// The text that ends statements instead of a semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delimiter<'a> {
    text: &'a str,
    is_word: bool,
}

/// A `DELIMITER` command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// `None` stands for the semicolon.
    pub(super) delimiter: Option<Delimiter<'a>>,
    /// The end of its line.
    pub(super) end: usize,
}

impl<'a> Command<'a> {
    /// Parses a command; `at` is the place after the word `DELIMITER`. The rest of the line belongs
    /// to it, as in the client.
    pub(super) fn read(text: &'a str, at: usize) -> Result<Command<'a>, Flaw> {
        let rest = text.get(at..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let delimiter = Delimiter::new(unquoted(line.trim_start()))?;
        Ok(Command {
            delimiter: (delimiter.text != ";").then_some(delimiter),
            end: at + line.len(),
        })
    }
}

/// Returns the first word of a line, without quotes around it.
fn unquoted(line: &str) -> &str {
    match line.chars().next() {
        Some(quote @ ('\'' | '"' | '`')) => {
            let inner = line.get(1..).unwrap_or_default();
            inner.split(quote).next().unwrap_or_default()
        }
        _ => line.split_whitespace().next().unwrap_or_default(),
    }
}

impl<'a> Delimiter<'a> {
    fn new(text: &'a str) -> Result<Delimiter<'a>, Flaw> {
        let refuse = |reason| Err(Flaw::Delimiter { reason });
        if text.is_empty() {
            return refuse("DELIMITER without a delimiter");
        }
        if text.len() > LONGEST {
            return refuse("a DELIMITER of more than 16 bytes");
        }
        if text.contains(['\'', '"', '`', '\\']) {
            return refuse("a DELIMITER with a quote or a backslash in it");
        }
        // `$$` is no word: it must end `END$$`.
        let is_word =
            text.bytes().all(is_in_word) && text.bytes().any(|byte| byte.is_ascii_alphanumeric());
        Ok(Delimiter { text, is_word })
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Reports whether the delimiter consists of letters and digits. Such a delimiter counts only
    /// as a whole word: `go` ends no statement inside `category`.
    pub(super) fn is_word(&self) -> bool {
        self.is_word
    }

    /// Reports whether the delimiter is here, at the beginning of a token.
    pub(super) fn is_at(&self, scanner: &Scanner<'_>) -> bool {
        scanner.starts_with(self.text)
            && !(self.is_word && scanner.peek(self.text.len()).is_some_and(is_in_word))
    }
}
