//! A position in a text, and the steps from which the rules of every database are built.
//!
//! Steps count bytes. Every piece ends at an ASCII byte or at the end of the text, so it is valid
//! text: the bytes of longer characters are only skipped together, inside a word, a quotation or a
//! comment.

use super::error::Flaw;
use super::quotes::Quoting;

/// A position in a text.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves to a position that [`Scanner::at`] returned, or to the end of a line.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Returns the rest of the text, as bytes.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn starts_with(&self, what: &str) -> bool {
        self.rest().starts_with(what.as_bytes())
    }

    pub(super) fn step(&mut self, bytes: usize) {
        self.at = self.text.len().min(self.at + bytes);
    }

    pub(super) fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !belongs(byte));
        self.step(length.unwrap_or(rest.len()));
    }

    /// Skips a comment that ends with the line. Stops before the end of the line.
    pub(super) fn line_comment(&mut self, ends: impl Fn(u8) -> bool) {
        self.skip_while(|byte| !ends(byte));
    }

    /// Skips a comment that begins here with `/*`, including its `*/`.
    pub(super) fn block_comment(&mut self, nests: bool) -> Result<(), Flaw> {
        self.step(2);
        let mut depth = 1;
        loop {
            self.skip_while(|byte| byte != b'*' && byte != b'/');
            match (self.peek(0), self.peek(1)) {
                (Some(b'*'), Some(b'/')) => {
                    self.step(2);
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(b'/'), Some(b'*')) if nests => {
                    self.step(2);
                    depth += 1;
                }
                (Some(_), _) => self.step(1),
                (None, _) => return Err(Flaw::OpenComment),
            }
        }
    }

    /// Skips a string that begins here, including its closing quote.
    pub(super) fn string(&mut self, close: u8, escapes: Escapes) -> Result<(), Flaw> {
        let close_char = char::from(close);
        self.quoted(close, escapes)
            .then_some(())
            .ok_or(Flaw::OpenString { close: close_char })
    }

    /// Skips a quoted name that begins here, including its closing quote.
    pub(super) fn name(&mut self, close: u8, escapes: Escapes) -> Result<(), Flaw> {
        let close_char = char::from(close);
        self.quoted(close, escapes)
            .then_some(())
            .ok_or(Flaw::OpenName { close: close_char })
    }

    /// Skips a quotation. Two closing quotes stand for one, and a backslash escapes the next
    /// character, if `escapes` says so. Returns whether there is a closing quote.
    fn quoted(&mut self, close: u8, escapes: Escapes) -> bool {
        self.step(1);
        loop {
            self.skip_while(|byte| byte != close && byte != b'\\');
            match self.peek(0) {
                Some(byte) if byte == close => {
                    self.step(1);
                    if escapes == Escapes::Nothing || self.peek(0) != Some(close) {
                        return true;
                    }
                    self.step(1);
                }
                Some(_) if escapes == Escapes::DoubledAndBackslash => self.step(2),
                Some(_) => self.step(1),
                None => return false,
            }
        }
    }
}

/// The ways to write a closing quote inside a quotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    Nothing,
    Doubled,
    DoubledAndBackslash,
}

impl Escapes {
    /// Returns those of a string.
    pub(super) fn of(quoting: Quoting) -> Escapes {
        match quoting.backslash_escapes {
            true => Escapes::DoubledAndBackslash,
            false => Escapes::Doubled,
        }
    }
}

pub(super) fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}
