//! The rules of each database, as tables of cases: a script, and its statements.

mod control;
mod flaws;
mod linear;
mod mysql;
mod postgres;
mod properties;
mod sqlite;

use super::script::Blocks;
use super::{read, split};
use crate::util::database_kind::DatabaseKind;

const ALL: [DatabaseKind; 3] = [
    DatabaseKind::Postgres,
    DatabaseKind::MySql,
    DatabaseKind::Sqlite,
];

/// Checks the statements of scripts.
fn check(kind: DatabaseKind, cases: &[(&str, &[&str])]) {
    for (script, expected) in cases {
        let found = split(kind, script, Blocks::None)
            .unwrap_or_else(|error| panic!("{kind}: {script}\n{error}"));
        let texts: Vec<&str> = found.iter().map(|statement| statement.text).collect();
        assert_eq!(texts, *expected, "{kind}: {script}");
    }
}

#[test]
fn semicolons_end_statements_everywhere() {
    let cases: &[(&str, &[&str])] = &[
        ("SELECT 1", &["SELECT 1"]),
        ("SELECT 1;", &["SELECT 1"]),
        ("SELECT 1;SELECT 2", &["SELECT 1", "SELECT 2"]),
        (
            "\n;; SELECT 1 ;;\r\n ;SELECT 2;\n",
            &["SELECT 1", "SELECT 2"],
        ),
        ("\u{feff}SELECT 1;", &["SELECT 1"]),
        (
            "SELECT 'a;b', \"c;d\"; SELECT 2",
            &["SELECT 'a;b', \"c;d\"", "SELECT 2"],
        ),
        (
            "SELECT 'it''s; '; SELECT 2",
            &["SELECT 'it''s; '", "SELECT 2"],
        ),
        (
            "SELECT 'ä;ö' -- ü;\n; SELECT 'é'",
            &["SELECT 'ä;ö'", "SELECT 'é'"],
        ),
        (
            "SELECT 1 -- not; here\n, 2; SELECT 3",
            &["SELECT 1 -- not; here\n, 2", "SELECT 3"],
        ),
        (
            "SELECT 1 /* not; here */, 2; SELECT 3",
            &["SELECT 1 /* not; here */, 2", "SELECT 3"],
        ),
        (
            "-- first\nSELECT 1; -- second\n/* third */ SELECT 2; -- last",
            &["SELECT 1", "SELECT 2"],
        ),
        (
            "SELECT 1-1, 6/2*3; SELECT 2",
            &["SELECT 1-1, 6/2*3", "SELECT 2"],
        ),
    ];
    for kind in ALL {
        check(kind, cases);
    }
}

#[test]
fn names_that_only_begin_like_key_words_do_not_matter() {
    let cases: &[(&str, &[&str])] = &[
        (
            "CREATE TABLE a (begin_date DATE, case_id INT, weekend INT, endless INT); SELECT begin_date, case_id, weekend FROM a; SELECT 2",
            &[
                "CREATE TABLE a (begin_date DATE, case_id INT, weekend INT, endless INT)",
                "SELECT begin_date, case_id, weekend FROM a",
                "SELECT 2",
            ],
        ),
        (
            "UPDATE a SET weekend = 1; DELETE FROM trigger_log; SELECT 1",
            &[
                "UPDATE a SET weekend = 1",
                "DELETE FROM trigger_log",
                "SELECT 1",
            ],
        ),
        (
            "SELECT CASE WHEN case_id = 1 THEN 2 END FROM a; SELECT 2",
            &["SELECT CASE WHEN case_id = 1 THEN 2 END FROM a", "SELECT 2"],
        ),
    ];
    for kind in ALL {
        check(kind, cases);
    }
}

#[test]
fn a_statement_knows_its_line_and_its_bytes() {
    let script =
        "-- a note\nSELECT 1;\r\n\r\n  SELECT\n 2;\n/* two\nlines */ SELECT 'ä\n'; SELECT 4";
    for kind in ALL {
        let found = split(kind, script, Blocks::None).unwrap();
        let lines: Vec<usize> = found.iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [2, 4, 7, 8], "{kind}");
        for statement in found {
            assert_eq!(&script[statement.range], statement.text);
        }
    }
}

#[test]
fn explicit_blocks_are_one_statement_each() {
    let script = "-- +goose Up\nSELECT 1;\n-- +goose StatementBegin\n-- why\nCREATE x AS\nBEGIN 'it'; END; -- so;\n;\n--  +goose  statementend\n-- +goose StatementBegin\n-- nothing;\n-- +goose StatementEnd\n-- +goose StatementBegin\nBEGIN it's;\n-- +goose StatementEnd\nSELECT 2;";
    for kind in ALL {
        let found = split(kind, script, Blocks::Goose).unwrap();
        let found: Vec<(usize, &str)> = found.iter().map(|one| (one.line, one.text)).collect();
        let expected = [
            (2, "SELECT 1"),
            (5, "CREATE x AS\nBEGIN 'it'; END"),
            // It cannot be read, and is sent unchanged.
            (13, "BEGIN it's;"),
            (15, "SELECT 2"),
        ];
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn only_a_script_with_commands_for_the_client_has_them() {
    let delimiter = "DELIMITER //\nSELECT 1 //";
    assert!(
        read(DatabaseKind::MySql, delimiter, Blocks::None)
            .unwrap()
            .has_client_commands
    );
    for kind in ALL {
        let plain = read(kind, "SELECT 1; -- DELIMITER //", Blocks::None).unwrap();
        assert!(!plain.has_client_commands);
    }
}

#[test]
fn only_what_is_all_executable_comment_may_be_empty() {
    for (text, expected) in [
        ("/*!99999 SELECT 1 */", true),
        ("/*M!999999\\- it's the sandbox; mode */ SELECT 1", false),
        ("/*M!999999\\- it's /* a; */ the sandbox; mode */", true),
        ("SELECT 1; /*!99999 a */ /*!50000 b */;", true),
        ("/*!99999 SELECT 1 */ + 2", false),
        ("SELECT /*!99999 1 */", false),
        ("/* a */ SELECT 1 /*+ b */", false),
    ] {
        let read = read(DatabaseKind::MySql, text, Blocks::None).unwrap();
        assert_eq!(read.may_be_empty, expected, "{text}");
    }
}
