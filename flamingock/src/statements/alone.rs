//! Statements of PostgreSQL that cannot run in a transaction.

use super::context::{Seen, is_one_of};
use super::lexer::Lexer;
use super::script::Statement;
use crate::util::database_kind::DatabaseKind;

/// The number of leading words that identify each of these statements.
const HEAD: usize = 6;

/// Reports whether the server refuses the statement in a transaction.
pub(crate) fn needs_no_transaction(statement: &Statement<'_>) -> bool {
    let head = head(statement);
    match second(&head) {
        ("VACUUM", _) | ("ALTER", "SYSTEM") | ("DISCARD", "ALL") => true,
        ("CREATE" | "DROP", "DATABASE" | "TABLESPACE" | "SUBSCRIPTION") => true,
        ("CREATE" | "DROP", "INDEX") => is_at(&head, 2, "CONCURRENTLY"),
        ("CREATE", "UNIQUE") => is_at(&head, 2, "INDEX") && is_at(&head, 3, "CONCURRENTLY"),
        ("REINDEX", _) => {
            const WHOLE: [&str; 4] = ["SCHEMA", "DATABASE", "SYSTEM", "CONCURRENTLY"];
            head.iter().any(|word| is_one_of(word, &WHOLE))
        }
        _ => false,
    }
}

/// Reports whether the statement runs only outside a transaction on some servers, or with some
/// code. Before PostgreSQL 12 a new value of an enum could not be added in a transaction, and a
/// procedure or a block of code can begin and end transactions itself.
pub(crate) fn may_need_no_transaction(statement: &Statement<'_>) -> bool {
    let head = head(statement);
    match second(&head) {
        ("CALL", _) => true,
        ("DO", _) => body(statement).is_some_and(|body| ends_a_transaction(&body)),
        ("ALTER", "TYPE") => adds_a_value(statement),
        _ => false,
    }
}

/// Returns the leading words of a statement in upper case, whatever is between them.
fn head(statement: &Statement<'_>) -> Vec<String> {
    let mut words = Vec::with_capacity(HEAD);
    let mut lexer = Lexer::of(DatabaseKind::Postgres, statement);
    while words.len() < HEAD
        && let Some((seen, _)) = lexer.seen()
    {
        match seen {
            Seen::Word(word) => words.push(word.to_uppercase()),
            Seen::Symbol(b'(' | b')' | b',') => {}
            Seen::Symbol(_) | Seen::Value => break,
        }
    }
    words
}

/// Returns the first two words; an empty string for a missing one.
fn second(head: &[String]) -> (&str, &str) {
    let at = |place: usize| head.get(place).map_or("", String::as_str);
    (at(0), at(1))
}

fn is_at(head: &[String], place: usize, word: &str) -> bool {
    head.get(place).is_some_and(|there| there == word)
}

/// Recognizes `ALTER TYPE a ADD VALUE 'b'`.
fn adds_a_value(statement: &Statement<'_>) -> bool {
    let mut lexer = Lexer::of(DatabaseKind::Postgres, statement);
    let mut is_behind_add = false;
    while let Some((seen, _)) = lexer.seen() {
        let is = |wanted| matches!(seen, Seen::Word(word) if is_one_of(word, &[wanted]));
        if is_behind_add && is("VALUE") {
            return true;
        }
        is_behind_add = is("ADD");
    }
    false
}

/// Returns the code of a `DO`.
fn body(statement: &Statement<'_>) -> Option<String> {
    let mut lexer = Lexer::of(DatabaseKind::Postgres, statement);
    while let Some((seen, text)) = lexer.seen() {
        if seen == Seen::Value {
            return Some(unquoted(text));
        }
    }
    None
}

/// Returns the text between the quotes of any kind.
fn unquoted(text: &str) -> String {
    let inner = text.trim_start_matches(['e', 'E']);
    if let Some(inner) = inner.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').unwrap_or(inner);
        return inner.replace("''", "'");
    }
    let tag = inner.find('$').and_then(|first| {
        let second = inner.get(first + 1..)?.find('$')?;
        inner.get(first..first + second + 2)
    });
    let tag = tag.unwrap_or_default();
    let inner = inner.strip_prefix(tag).unwrap_or(inner);
    inner.strip_suffix(tag).unwrap_or(inner).to_owned()
}

/// Reports whether code contains `COMMIT` or `ROLLBACK`.
fn ends_a_transaction(code: &str) -> bool {
    let quoting = super::quotes::Quoting::of(DatabaseKind::Postgres);
    let mut lexer = Lexer::new(DatabaseKind::Postgres, code, quoting);
    std::iter::from_fn(|| lexer.seen()).any(
        |(seen, _)| matches!(seen, Seen::Word(word) if is_one_of(word, &["COMMIT", "ROLLBACK"])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::read;
    use crate::statements::script::Blocks;

    #[test]
    fn statements_are_known_however_they_are_written() {
        for (text, needs, may) in [
            ("VACUUM", true, false),
            ("vacuum(FULL, ANALYZE) a", true, false),
            ("/* why */ VACUUM -- a\n a", true, false),
            (
                "CREATE/**/UNIQUE INDEX\nCONCURRENTLY a ON b (c)",
                true,
                false,
            ),
            ("DROP INDEX CONCURRENTLY a", true, false),
            ("CREATE INDEX \"concurrently\" ON b (c)", false, false),
            ("CREATE INDEX a ON b (concurrently)", false, false),
            ("REINDEX(VERBOSE)SCHEMA public", true, false),
            ("REINDEX TABLE CONCURRENTLY a", true, false),
            ("REINDEX TABLE a", false, false),
            ("ALTER SYSTEM SET a = 1", true, false),
            ("CREATE DATABASE a", true, false),
            ("CREATE TABLE vacuum (a int)", false, false),
            (
                "ALTER TYPE a.\"b\" ADD VALUE IF NOT EXISTS 'c'",
                false,
                true,
            ),
            ("ALTER TYPE a ADD ATTRIBUTE value int", false, false),
            ("ALTER TYPE a RENAME VALUE 'b' TO 'add value'", false, false),
            ("CALL fill()", false, true),
            ("DO $$BEGIN x;COMMIT;END$$", false, true),
            (
                "DO LANGUAGE plpgsql $a$BEGIN\nROLLBACK;\nEND$a$",
                false,
                true,
            ),
            ("DO 'BEGIN PERFORM ''a''; commit; END'", false, true),
            (
                "DO $$BEGIN RAISE 'COMMIT'; -- ROLLBACK\nEND$$",
                false,
                false,
            ),
            ("DO $$BEGIN PERFORM commits(); END$$", false, false),
        ] {
            let script = read(DatabaseKind::Postgres, text, Blocks::None).unwrap();
            let [one] = &script.statements[..] else {
                panic!("{text}")
            };
            let found = (needs_no_transaction(one), may_need_no_transaction(one));
            assert_eq!(found, (needs, may), "{text}");
        }
    }
}
