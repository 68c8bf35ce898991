//! The state of a statement while it is read, which determines whether a semicolon ends it.

use crate::statements::context::Seen;
use crate::util::database_kind::DatabaseKind;

use super::error::Flaw;
use super::{mysql_blocks, postgres, sqlite};

/// The state of one statement, by the rules of its database.
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

    /// Records the first token of the statement; `rest` is the text from there.
    pub(super) fn begins(&mut self, seen: Seen<'a>, rest: &str) {
        match self {
            Shape::Sqlite(shape) => shape.begins(seen, rest),
            Shape::Postgres(_) | Shape::MySql(_) => {}
        }
    }

    /// Records the next token of the statement.
    pub(super) fn see(&mut self, seen: Seen<'a>) {
        match self {
            Shape::Postgres(shape) => shape.see(seen),
            Shape::MySql(shape) => shape.see(seen),
            Shape::Sqlite(shape) => shape.see(seen),
        }
    }

    /// Reports whether a semicolon here ends the statement.
    pub(super) fn can_end(&self) -> bool {
        match self {
            Shape::Postgres(shape) => shape.can_end(),
            Shape::MySql(shape) => shape.can_end(),
            Shape::Sqlite(shape) => shape.can_end(),
        }
    }

    /// Reports whether the statement creates a routine, whose body is not part of the script.
    pub(super) fn is_routine(&self) -> bool {
        match self {
            Shape::MySql(shape) => shape.is_routine(),
            Shape::Postgres(_) | Shape::Sqlite(_) => false,
        }
    }

    /// Returns why the server would not understand the statement, if so.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        match self {
            Shape::Postgres(shape) => shape.flaw(),
            Shape::MySql(_) => None,
            Shape::Sqlite(shape) => shape.flaw(),
        }
    }
}
