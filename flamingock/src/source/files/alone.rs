//! Statements of PostgreSQL that cannot run in a transaction, and how tools run files with them.

use super::mistake::Mistake;
#[cfg(feature = "_sqlx")]
use crate::statements::script::Blocks;
#[cfg(feature = "_sqlx")]
use crate::statements::{may_need_no_transaction, needs_no_transaction, read};
#[cfg(feature = "_sqlx")]
use crate::util::database_kind::DatabaseKind;

/// Applies Flyway's rule: a file with only such statements runs outside a transaction, and one that
/// has others as well is refused.
#[cfg(feature = "_sqlx")]
pub(super) fn in_flyway(text: &str) -> Result<Option<bool>, Mistake> {
    let Ok(script) = read(DatabaseKind::Postgres, text, Blocks::None) else {
        return Ok(None);
    };
    let mut all = script.statements.iter();
    let Some(first) = all.find(|one| needs_no_transaction(one)) else {
        return Ok(None);
    };
    if script.statements.iter().all(needs_no_transaction) {
        return Ok(Some(false));
    }
    Err((
        u32::try_from(first.line).unwrap_or(1),
        "this statement cannot run in a transaction and the others of the file do, which Flyway refuses: move it to a file of its own, or say `executeInTransaction=false` in the file's `.conf`"
            .to_owned(),
    ))
}

/// Reports whether a file must be Flyway's because of its statements: a tool that begins a
/// transaction before each file could not run it.
#[cfg(feature = "_sqlx")]
pub(super) fn tells_flyway(text: &str) -> bool {
    const WORDS: [&str; 6] = [
        "CONCURRENTLY",
        "VACUUM",
        "SYSTEM",
        "DISCARD",
        "REINDEX",
        "TABLESPACE",
    ];
    let large = text.to_uppercase();
    // Avoids parsing most files.
    WORDS.iter().any(|word| large.contains(word)) && in_flyway(text) == Ok(Some(false))
}

/// Without the feature there is no database to run it.
#[cfg(not(feature = "_sqlx"))]
pub(super) fn tells_flyway(_text: &str) -> bool {
    false
}

/// Reports whether the text is one statement that cannot run in a transaction, for tools that add
/// none.
#[cfg(feature = "_sqlx")]
pub(super) fn is_one(text: &str) -> bool {
    let script = read(DatabaseKind::Postgres, text, Blocks::None);
    script.is_ok_and(|script| match &script.statements[..] {
        [one] => needs_no_transaction(one) || may_need_no_transaction(one),
        _ => false,
    })
}

/// Without the feature there is no database to run it.
#[cfg(not(feature = "_sqlx"))]
#[expect(clippy::unnecessary_wraps, reason = "the feature's signature")]
pub(super) fn in_flyway(_text: &str) -> Result<Option<bool>, Mistake> {
    Ok(None)
}

#[cfg(all(test, feature = "_sqlx"))]
mod tests {
    use super::*;

    #[test]
    fn flyway_runs_what_no_transaction_can_hold_outside_of_one() {
        for (text, expected) in [
            (
                "-- why\nCREATE INDEX CONCURRENTLY a ON b (c);\nVACUUM b;\n",
                Ok(Some(false)),
            ),
            (
                "create unique index concurrently if not exists a on b (c)",
                Ok(Some(false)),
            ),
            // Since PostgreSQL 12 it can run in a transaction, together with others.
            ("ALTER TYPE a ADD VALUE 'b';\nSELECT 1;", Ok(None)),
            ("REINDEX (VERBOSE) SCHEMA public;", Ok(Some(false))),
            ("VACUUM(FULL);", Ok(Some(false))),
            (
                "/* why */CREATE INDEX CONCURRENTLY a ON b (c);",
                Ok(Some(false)),
            ),
            ("CREATE INDEX a ON b (c);", Ok(None)),
            ("INSERT INTO a VALUES ('VACUUM;');", Ok(None)),
            ("", Ok(None)),
        ] {
            assert_eq!(in_flyway(text), expected, "{text}");
        }
        let (line, message) = in_flyway("SELECT 1;\n\nVACUUM a;\n").unwrap_err();
        assert_eq!(line, 3);
        assert!(message.contains("which Flyway refuses"), "{message}");
    }
}
