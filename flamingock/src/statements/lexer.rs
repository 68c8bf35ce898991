//! The lexer: splits a text into tokens without gaps, only as finely as the search for the ends of
//! statements needs.

use crate::statements::token::Kind;
use crate::util::database_kind::DatabaseKind;

use super::context::Seen;
use super::delimiter::Delimiter;
use super::error::Flaw;
use super::quotes::Quoting;
use super::scanner::Scanner;
use super::script::Statement;
use super::{mysql, postgres, sqlite};

/// A token of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A flaw, and the byte at which it begins.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) flaw: Flaw,
    pub(super) at: usize,
}

/// Reads tokens by the rules of one database.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    kind: DatabaseKind,
    quoting: Quoting,
    scanner: Scanner<'a>,
    delimiter: Option<Delimiter<'a>>,
    /// The beginning of the executable comment that the lexer is in.
    executable: Option<usize>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(kind: DatabaseKind, text: &'a str, quoting: Quoting) -> Lexer<'a> {
        Lexer {
            kind,
            quoting,
            scanner: Scanner::new(text),
            delimiter: None,
            executable: None,
        }
    }

    /// Reads a statement that was split before.
    pub(super) fn of(kind: DatabaseKind, statement: &Statement<'a>) -> Lexer<'a> {
        Lexer::new(kind, statement.text, statement.quoting)
    }

    /// Sets the meaning of quotes and backslashes from here on.
    pub(super) fn set_quoting(&mut self, quoting: Quoting) {
        self.quoting = quoting;
    }

    pub(super) fn quoting(&self) -> Quoting {
        self.quoting
    }

    pub(super) fn is_in_executable_comment(&self) -> bool {
        self.executable.is_some()
    }

    pub(super) fn has_delimiter(&self) -> bool {
        self.delimiter.is_some()
    }

    /// Sets the text that ends statements from here on; `None` for the semicolon.
    pub(super) fn set_delimiter(&mut self, delimiter: Option<Delimiter<'a>>) {
        self.delimiter = delimiter;
    }

    /// Continues at another place.
    pub(super) fn go_to(&mut self, at: usize) {
        self.scanner.go_to(at);
    }

    pub(super) fn text_of(&self, token: Token) -> &'a str {
        self.scanner
            .text()
            .get(token.start..token.end)
            .unwrap_or_default()
    }

    /// Returns the next significant token of a statement that was split before, with its text.
    /// Stops at a flaw, which was either reported when the script was split, or is inside a block
    /// that is sent unchanged.
    pub(super) fn seen(&mut self) -> Option<(Seen<'a>, &'a str)> {
        loop {
            let token = self.next().ok()??;
            let text = self.text_of(token);
            let seen = match token.kind {
                Kind::Word => Seen::Word(text),
                Kind::Symbol(symbol) => Seen::Symbol(symbol),
                Kind::Value | Kind::Parameter => Seen::Value,
                Kind::Blank
                | Kind::Comment
                | Kind::Hint
                | Kind::ExecutableOpen
                | Kind::ExecutableClose
                | Kind::Delimiter => continue,
            };
            return Some((seen, text));
        }
    }

    /// Returns the next token; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Found> {
        let start = self.scanner.at();
        if self.scanner.rest().is_empty() {
            return match self.executable {
                Some(at) => Err(Found {
                    flaw: Flaw::OpenComment,
                    at,
                }),
                None => Ok(None),
            };
        }
        let kind = self.kind_here().map_err(|flaw| Found { flaw, at: start })?;
        match kind {
            Kind::ExecutableOpen => self.executable = Some(start),
            Kind::ExecutableClose => self.executable = None,
            Kind::Blank
            | Kind::Comment
            | Kind::Hint
            | Kind::Word
            | Kind::Value
            | Kind::Parameter
            | Kind::Symbol(_)
            | Kind::Delimiter => {}
        }
        let end = self.scanner.at();
        Ok(Some(Token { kind, start, end }))
    }

    fn kind_here(&mut self) -> Result<Kind, Flaw> {
        let scanner = &mut self.scanner;
        if scanner.at() == 0 && scanner.starts_with("\u{feff}") {
            scanner.step('\u{feff}'.len_utf8());
            return Ok(Kind::Blank);
        }
        match self.kind {
            DatabaseKind::Postgres => postgres::token(scanner, self.quoting),
            DatabaseKind::MySql => {
                let delimiter = self.delimiter.as_ref();
                mysql::token(scanner, self.quoting, self.executable.is_some(), delimiter)
            }
            DatabaseKind::Sqlite => sqlite::token(scanner),
        }
    }
}
