use super::check;
use crate::util::database_kind::DatabaseKind::Sqlite;

#[test]
fn a_trigger_ends_at_its_own_end() {
    let plain = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = 1; DELETE FROM d; END";
    let cases = "CREATE TEMP TRIGGER t AFTER UPDATE ON a WHEN new.x > CASE WHEN 1 THEN 2 END BEGIN\n SELECT CASE WHEN 1 THEN CASE 2 WHEN 2 THEN 3 END END; INSERT INTO b SELECT CASE 1 WHEN 1 THEN 2 END; END";
    let quoted = "create temporary trigger if not exists \"t;\" after delete on [a;] begin -- END;\n select 'x; END;'; select `;`; /* ; END; */ end";
    let names = "CREATE TRIGGER weekend AFTER INSERT ON a BEGIN INSERT INTO begin_dates VALUES (new.weekend); UPDATE a SET weekend = 1; END";
    let explained = "EXPLAIN QUERY PLAN CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END";
    for statement in [plain, cases, quoted, names, explained] {
        let script = format!("SELECT 0;{statement} ;\nSELECT 1");
        check(
            Sqlite,
            &[(script.as_str(), &["SELECT 0", statement, "SELECT 1"])],
        );
    }
}

/// Files that were joined have byte-order marks between them.
#[test]
fn a_byte_order_mark_is_a_blank_before_any_token() {
    let trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END";
    let script = format!("\u{feff}SELECT 0;\n\u{feff}{trigger};\u{feff}");
    check(Sqlite, &[(script.as_str(), &["SELECT 0", trigger])]);
}

#[test]
fn what_is_no_trigger_ends_at_the_semicolon() {
    check(
        Sqlite,
        &[
            (
                "BEGIN; SELECT 1; END; SELECT 2",
                &["BEGIN", "SELECT 1", "END", "SELECT 2"],
            ),
            (
                "CREATE TABLE trigger_log (a); SELECT 1",
                &["CREATE TABLE trigger_log (a)", "SELECT 1"],
            ),
            ("DROP TRIGGER t; SELECT 1", &["DROP TRIGGER t", "SELECT 1"]),
            (
                "CREATE TABLE \"TRIGGER\" (a); SELECT 1",
                &["CREATE TABLE \"TRIGGER\" (a)", "SELECT 1"],
            ),
            (
                "SELECT 'CREATE TRIGGER'; SELECT 1",
                &["SELECT 'CREATE TRIGGER'", "SELECT 1"],
            ),
        ],
    );
}

#[test]
fn names_are_quoted_in_four_ways() {
    check(
        Sqlite,
        &[
            ("SELECT [a;'b]; SELECT 1", &["SELECT [a;'b]", "SELECT 1"]),
            ("SELECT `a;``;`; SELECT 1", &["SELECT `a;``;`", "SELECT 1"]),
            (
                "SELECT \"a;\"\";\"; SELECT 1",
                &["SELECT \"a;\"\";\"", "SELECT 1"],
            ),
            ("SELECT 'a\\'; SELECT 1", &["SELECT 'a\\'", "SELECT 1"]),
        ],
    );
}

#[test]
fn comments_do_not_nest() {
    check(
        Sqlite,
        &[
            (
                "SELECT 1 /* /* ; */, 2; SELECT 2",
                &["SELECT 1 /* /* ; */, 2", "SELECT 2"],
            ),
            ("SELECT 5--1;\n; SELECT 2", &["SELECT 5", "SELECT 2"]),
            (
                "SELECT x'3b', $a, @b, :c, ?1; SELECT 2",
                &["SELECT x'3b', $a, @b, :c, ?1", "SELECT 2"],
            ),
        ],
    );
}

#[test]
fn parameters_are_found_outside_of_quotes_and_comments() {
    let parameter = |script: &str| {
        let read = crate::statements::read(Sqlite, script, crate::statements::script::Blocks::None)
            .unwrap();
        read.parameter
            .map(|found| (found.text.to_owned(), found.line))
    };
    for (script, text, line) in [
        ("INSERT INTO a VALUES (?)", "?", 1),
        ("SELECT 1;\nINSERT INTO a VALUES (?12)", "?12", 2),
        ("SELECT 1,\n\n:url", ":url", 3),
        ("SELECT @name", "@name", 1),
        ("SELECT $name, ?", "$name", 1),
    ] {
        assert_eq!(parameter(script), Some((text.to_owned(), line)), "{script}");
    }
    for script in [
        "SELECT '?', ':url', \"?\", `:a`, [?]",
        "SELECT 1 -- :url ?\n/* @name $name */",
        "SELECT '{\"a\": 1}' ->> '$.a'",
        "SELECT a$b",
        "SELECT 1 AS \"a:b\"",
    ] {
        assert_eq!(parameter(script), None, "{script}");
    }
}
