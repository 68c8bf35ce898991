//! What quotes and backslashes mean, and the settings that say it.

use super::context::is_one_of;
use crate::util::database_kind::DatabaseKind;

/// What quotes and backslashes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoting {
    /// Whether a backslash in a string takes the meaning of what follows it.
    pub backslash_escapes: bool,
    /// Whether double quotes stand around names, and not around strings.
    pub double_quotes_name: bool,
}

impl Quoting {
    /// That of a server whose settings are the default ones.
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

    /// What a value of the setting that decides on it means: `sql_mode`, `standard_conforming_strings`.
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

    /// The other meaning of a backslash.
    pub(crate) fn flipped(self) -> Quoting {
        Quoting {
            backslash_escapes: !self.backslash_escapes,
            ..self
        }
    }
}

/// `ANSI_QUOTES`, and the modes that contain it.
pub(super) const ANSI: &[&str] = &["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"];

pub(super) fn names(modes: &str, wanted: &[&str]) -> bool {
    modes.split(',').any(|mode| is_one_of(mode.trim(), wanted))
}

/// What PostgreSQL takes for false.
pub(super) fn is_off(value: &str) -> bool {
    is_one_of(value, &["off", "of", "false", "fals", "fal", "fa", "f"])
        || is_one_of(value, &["no", "n", "0"])
}

/// Whether a text reads otherwise where backslashes mean something else: where one stands before a quote.
pub(crate) fn depends_on_backslashes(text: &str) -> bool {
    dependent(text).next().is_some()
}

pub(super) fn dependent(text: &str) -> impl Iterator<Item = usize> {
    let is_quote = |at: usize| matches!(text.as_bytes().get(at + 1), Some(b'\'' | b'"'));
    let places = text.match_indices('\\').map(|(at, _)| at);
    places.filter(move |at| is_quote(*at))
}
