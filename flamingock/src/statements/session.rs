//! Statements whose effect outlives the script on its connection: a search path, a default database, a mode.

use crate::argument::DatabaseKind;

use super::control::Tokens;
use super::lexer::Lexer;
use super::shape::{Seen, is_one_of};

/// Whether a statement sets something of the session, as far as its words tell.
pub(super) fn is_set_by(kind: DatabaseKind, text: &str) -> bool {
    let mut words = Tokens(Lexer::new(kind, text)).map_while(|seen| match seen {
        Seen::Word(word) => Some(word),
        Seen::Value | Seen::Symbol(_) => None,
    });
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    let second_is = |names: &[&str]| second.is_some_and(|word| is_one_of(word, names));
    if is_one_of(first, &["CREATE"]) {
        return second_is(&["TEMP", "TEMPORARY"]);
    }
    match kind {
        DatabaseKind::Postgres => match is_one_of(first, &["SET"]) {
            true => !second_is(&["LOCAL", "CONSTRAINTS", "TRANSACTION"]),
            false => {
                is_one_of(first, &["RESET", "DISCARD", "LISTEN", "LOAD", "PREPARE"])
                    || calls_set_config(text)
            }
        },
        DatabaseKind::MySql => is_one_of(first, &["SET", "USE", "PREPARE", "LOCK"]),
        DatabaseKind::Sqlite => is_one_of(first, &["PRAGMA", "ATTACH", "DETACH"]),
    }
}

/// What a dump of PostgreSQL begins with: `SELECT pg_catalog.set_config('search_path', '', false)`.
fn calls_set_config(text: &str) -> bool {
    let mut tokens = Tokens(Lexer::new(DatabaseKind::Postgres, text));
    tokens.any(|seen| matches!(seen, Seen::Word(word) if is_one_of(word, &["set_config"])))
}
