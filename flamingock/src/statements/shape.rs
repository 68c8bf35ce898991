//! What of a statement has been seen so far, and whether a semicolon ends it there.

use crate::util::database_kind::DatabaseKind;

use super::error::Flaw;
use super::{mysql_blocks, postgres, sqlite};

/// A token that is part of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    Word(&'a str),
    Symbol(u8),
    Value,
}

/// The token before the one at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before<'a>(Option<Seen<'a>>);

impl<'a> From<Seen<'a>> for Before<'a> {
    fn from(seen: Seen<'a>) -> Self {
        Before(Some(seen))
    }
}

impl<'a> Before<'a> {
    pub(super) fn seen(self) -> Option<Seen<'a>> {
        self.0
    }

    pub(super) fn is_symbol(self, symbol: u8) -> bool {
        self.0 == Some(Seen::Symbol(symbol))
    }

    pub(super) fn is_word(self, word: &str) -> bool {
        self.is_word_of(&[word])
    }

    pub(super) fn is_word_of(self, words: &[&str]) -> bool {
        matches!(self.0, Some(Seen::Word(word)) if is_one_of(word, words))
    }
}

/// Whether a word is one of these key words, in whatever case.
pub(super) fn is_one_of(word: &str, keywords: &[&str]) -> bool {
    keywords
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// One statement's shape, by the rules of its database.
#[derive(Debug)]
pub(super) enum Shape<'a> {
    Postgres(postgres::Shape<'a>),
    MySql(mysql_blocks::Shape<'a>),
    Sqlite(sqlite::Shape<'a>),
}

impl<'a> Shape<'a> {
    pub(super) fn new(kind: DatabaseKind) -> Shape<'a> {
        match kind {
            DatabaseKind::Postgres => Shape::Postgres(postgres::Shape::default()),
            DatabaseKind::MySql => Shape::MySql(mysql_blocks::Shape::default()),
            DatabaseKind::Sqlite => Shape::Sqlite(sqlite::Shape::default()),
        }
    }

    /// The statement begins with this token; `rest` is the text from there.
    pub(super) fn begins(&mut self, seen: Seen<'a>, rest: &str) {
        match self {
            Shape::Sqlite(shape) => shape.begins(seen, rest),
            Shape::Postgres(_) | Shape::MySql(_) => {}
        }
    }

    /// The statement goes on with this token.
    pub(super) fn see(&mut self, seen: Seen<'a>) {
        match self {
            Shape::Postgres(shape) => shape.see(seen),
            Shape::MySql(shape) => shape.see(seen),
            Shape::Sqlite(shape) => shape.see(seen),
        }
    }

    /// Whether a semicolon here ends the statement.
    pub(super) fn can_end(&self) -> bool {
        match self {
            Shape::Postgres(shape) => shape.can_end(),
            Shape::MySql(shape) => shape.can_end(),
            Shape::Sqlite(shape) => shape.can_end(),
        }
    }

    /// Whether it makes a routine, whose body is no part of the script.
    pub(super) fn is_routine(&self) -> bool {
        match self {
            Shape::MySql(shape) => shape.is_routine(),
            Shape::Postgres(_) | Shape::Sqlite(_) => false,
        }
    }

    /// Why the server would not understand the statement.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        match self {
            Shape::Postgres(shape) => shape.flaw(),
            Shape::MySql(_) => None,
            Shape::Sqlite(shape) => shape.flaw(),
        }
    }
}
