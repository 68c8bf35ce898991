//! Files of golang-migrate, which sends each of them unchanged and adds no transaction.

#[cfg(feature = "_sqlx")]
use super::alone;
use super::role::{Kind, Name, direction, order};
#[cfg(feature = "_sqlx")]
use crate::statements::read;
#[cfg(feature = "_sqlx")]
use crate::statements::script::Blocks;
#[cfg(feature = "_sqlx")]
use crate::util::database_kind::DatabaseKind;

/// Parses `3_create_orders.up.sql` and `3_create_orders.down.sql`.
pub(super) fn name(file: &str) -> Option<Name> {
    let stem = file.strip_suffix(".sql")?;
    let (stem, role) = direction(stem)?;
    let (version, _) = stem.split_once('_')?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then_some(())?;
    Some(Name {
        // Up and down files belong together by their version, which is a number.
        key: version.trim_start_matches('0').to_owned(),
        id: stem.to_owned(),
        order: order(version)?,
        role,
        kind: Kind::Sql,
        repeats: false,
    })
}

/// Reports whether the text begins or ends transactions itself, or is one statement that cannot run
/// in a transaction.
#[cfg(feature = "_sqlx")]
pub(super) fn is_on_its_own(text: &str) -> bool {
    // `BEGIN` begins a transaction in each of these databases, except inside a block of code.
    let kinds = [
        DatabaseKind::Postgres,
        DatabaseKind::Sqlite,
        DatabaseKind::MySql,
    ];
    let mut readings = kinds
        .into_iter()
        .filter_map(|kind| read(kind, text, Blocks::None).ok());
    let begins = readings.all(|script| script.control.is_some());
    // A single statement is sent outside any transaction.
    begins || alone::is_one(text)
}

/// Without the feature there is no database to run it.
#[cfg(not(feature = "_sqlx"))]
pub(super) fn is_on_its_own(_text: &str) -> bool {
    false
}

#[cfg(all(test, feature = "_sqlx"))]
mod tests {
    use super::*;

    #[test]
    fn files_with_transactions_of_their_own_are_known() {
        for (text, expected) in [
            ("BEGIN;\nCREATE TABLE a (b int);\nCOMMIT;\n", true),
            ("-- why\nbegin transaction;\nSELECT 1;\nEND;\n", true),
            ("SET x = 1;\nSTART TRANSACTION;\nSELECT 1;\nCOMMIT;\n", true),
            ("CREATE TABLE a (b int);\n", false),
            ("DO $$\nBEGIN\n  PERFORM 1;\nEND;\n$$;\n", false),
            (
                "CREATE TRIGGER a AFTER INSERT ON b BEGIN UPDATE c SET d = 1; END;\n",
                false,
            ),
            (
                "-- one\nCREATE UNIQUE INDEX CONCURRENTLY a ON b (c);\n",
                true,
            ),
            ("CREATE INDEX CONCURRENTLY a ON b (c);\nSELECT 1;\n", false),
            ("ALTER TYPE a ADD VALUE 'b';\n", true),
            // A procedure or a block of code may commit.
            ("CALL fill();\n", true),
            ("DO $$ BEGIN COMMIT; END $$;\n", true),
            ("DO $$ BEGIN NULL; END $$;\n", false),
            ("CALL fill();\nSELECT 1;\n", false),
            ("INSERT INTO a VALUES ('BEGIN; COMMIT;');\n", false),
            ("INSERT INTO a VALUES ('it\\'s');\n", false),
            ("BEGIN;\nINSERT INTO a VALUES ('it\\'s');\nCOMMIT;\n", true),
        ] {
            assert_eq!(is_on_its_own(text), expected, "{text}");
        }
    }
}
