//! The meaning of quotes and backslashes, and the settings that determine it.

use super::context::is_one_of;
use crate::util::database_kind::DatabaseKind;

/// The meaning of quotes and backslashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoting {
    /// Whether a backslash in a string escapes the next character.
    pub backslash_escapes: bool,
    /// Whether double quotes enclose names, and not strings.
    pub double_quotes_name: bool,
}

impl Quoting {
    /// Returns the meaning on a server with default settings.
    pub const fn of(kind: DatabaseKind) -> Quoting {
        match kind {
            DatabaseKind::MySql => Quoting {
                backslash_escapes: true,
                double_quotes_name: false,
            },
            DatabaseKind::Postgres | DatabaseKind::Sqlite => Quoting {
                backslash_escapes: false,
                double_quotes_name: true,
            },
        }
    }

    /// Returns the meaning for a value of the setting `sql_mode` or `standard_conforming_strings`.
    pub fn by_setting(kind: DatabaseKind, value: &str) -> Quoting {
        match kind {
            DatabaseKind::MySql => Quoting {
                backslash_escapes: !names(value, &["NO_BACKSLASH_ESCAPES"]),
                double_quotes_name: names(value, ANSI),
            },
            DatabaseKind::Postgres => Quoting {
                backslash_escapes: is_off(value),
                ..Quoting::of(kind)
            },
            DatabaseKind::Sqlite => Quoting::of(kind),
        }
    }

    /// Returns the same with the other meaning of backslashes.
    pub(crate) fn flipped(self) -> Quoting {
        Quoting {
            backslash_escapes: !self.backslash_escapes,
            ..self
        }
    }
}

/// `ANSI_QUOTES`, and the modes that include it.
pub(super) const ANSI: &[&str] = &["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"];

pub(super) fn names(modes: &str, wanted: &[&str]) -> bool {
    modes.split(',').any(|mode| is_one_of(mode.trim(), wanted))
}

/// Reports whether PostgreSQL interprets the value as false.
pub(super) fn is_off(value: &str) -> bool {
    is_one_of(value, &["off", "of", "false", "fals", "fal", "fa", "f"])
        || is_one_of(value, &["no", "n", "0"])
}

/// Reports whether the meaning of a text depends on that of backslashes, because one comes before a
/// quote.
pub(crate) fn depends_on_backslashes(text: &str) -> bool {
    dependent(text).next().is_some()
}

pub(super) fn dependent(text: &str) -> impl Iterator<Item = usize> {
    let is_quote = |at: usize| matches!(text.as_bytes().get(at + 1), Some(b'\'' | b'"'));
    let places = text.match_indices('\\').map(|(at, _)| at);
    places.filter(move |at| is_quote(*at))
}
