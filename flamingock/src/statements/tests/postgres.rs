use super::check;
use crate::util::database_kind::DatabaseKind::Postgres;

#[test]
fn dollar_quotes_hold_anything_but_their_own_tag() {
    check(
        Postgres,
        &[
            (
                "DO $$ BEGIN a; b; END $$; SELECT 1",
                &["DO $$ BEGIN a; b; END $$", "SELECT 1"],
            ),
            (
                "SELECT $a$ $b$; $$; ' $a$; SELECT 1",
                &["SELECT $a$ $b$; $$; ' $a$", "SELECT 1"],
            ),
            (
                "SELECT $ä_1$;$ä_1$; SELECT 1",
                &["SELECT $ä_1$;$ä_1$", "SELECT 1"],
            ),
            (
                "SELECT $a$;$A$;$a$; SELECT 1",
                &["SELECT $a$;$A$;$a$", "SELECT 1"],
            ),
            (
                "SELECT $$$$;SELECT $a$$$;$a$",
                &["SELECT $$$$", "SELECT $a$$$;$a$"],
            ),
            ("SELECT $1;SELECT 1$$;$$", &["SELECT $1", "SELECT 1$$;$$"]),
            (
                "PREPARE a AS SELECT $1$$;$$;SELECT 1",
                &["PREPARE a AS SELECT $1$$;$$", "SELECT 1"],
            ),
            // A dollar sign inside a name begins no string.
            ("SELECT a$b$;SELECT c$b$", &["SELECT a$b$", "SELECT c$b$"]),
            (
                "SELECT '$$';SELECT \"$$\"",
                &["SELECT '$$'", "SELECT \"$$\""],
            ),
        ],
    );
}

#[test]
fn a_backslash_escapes_in_e_strings_alone() {
    check(
        Postgres,
        &[
            (r"SELECT E'\';'; SELECT 1", &[r"SELECT E'\';'", "SELECT 1"]),
            (r"SELECT e'\\'; SELECT 1", &[r"SELECT e'\\'", "SELECT 1"]),
            (
                r"SELECT E'a''\';'; SELECT 1",
                &[r"SELECT E'a''\';'", "SELECT 1"],
            ),
            (r"SELECT '\'; SELECT 1", &[r"SELECT '\'", "SELECT 1"]),
            (
                r"SELECT U&'\0061'; SELECT 1",
                &[r"SELECT U&'\0061'", "SELECT 1"],
            ),
            (
                r#"SELECT U&"\0061;"; SELECT 1"#,
                &[r#"SELECT U&"\0061;""#, "SELECT 1"],
            ),
            // The name ends with an e, and the string is an ordinary one.
            (
                r"SELECT date'\'; SELECT 1",
                &[r"SELECT date'\'", "SELECT 1"],
            ),
        ],
    );
}

#[test]
fn a_string_that_goes_on_in_the_next_line_keeps_its_kind() {
    check(
        Postgres,
        &[
            (
                "SELECT E'a'\n'\\';'; SELECT 1",
                &["SELECT E'a'\n'\\';'", "SELECT 1"],
            ),
            (
                "SELECT E'a' -- b\n  '\\';'; SELECT 1",
                &["SELECT E'a' -- b\n  '\\';'", "SELECT 1"],
            ),
            // Strings on the same line are not joined.
            (
                "SELECT E'a' '\\'; SELECT 1",
                &["SELECT E'a' '\\'", "SELECT 1"],
            ),
            (
                "SELECT E'a'\n; SELECT '\\'; SELECT 1",
                &["SELECT E'a'", "SELECT '\\'", "SELECT 1"],
            ),
        ],
    );
}

#[test]
fn comments_nest() {
    check(
        Postgres,
        &[
            (
                "SELECT 1 /* /* ; */ ; */, 2; SELECT 2",
                &["SELECT 1 /* /* ; */ ; */, 2", "SELECT 2"],
            ),
            ("/*/**/*/SELECT 1;/*/;*/SELECT 2", &["SELECT 1", "SELECT 2"]),
            (
                "SELECT 5*/* ; */2; SELECT 2",
                &["SELECT 5*/* ; */2", "SELECT 2"],
            ),
            ("SELECT 5--1;\n; SELECT 2", &["SELECT 5", "SELECT 2"]),
            (
                "SELECT 1 --;\r, 2; SELECT 3",
                &["SELECT 1 --;\r, 2", "SELECT 3"],
            ),
        ],
    );
}

#[test]
fn a_hint_stays_with_its_statement() {
    check(
        Postgres,
        &[
            (
                "/* no */ /*+ SeqScan(a) */ SELECT 1; SELECT 2",
                &["/*+ SeqScan(a) */ SELECT 1", "SELECT 2"],
            ),
            (
                "SELECT /*+ a; */ 1; SELECT 2",
                &["SELECT /*+ a; */ 1", "SELECT 2"],
            ),
            // Extensions also look for a hint after the first words of the statement.
            (
                "SELECT 1 FROM a /*+ SeqScan(a) */ -- b\n; SELECT 2",
                &["SELECT 1 FROM a /*+ SeqScan(a) */", "SELECT 2"],
            ),
            ("SELECT 1; /*+ nothing follows */", &["SELECT 1"]),
        ],
    );
}

#[test]
fn a_semicolon_in_parentheses_ends_nothing() {
    check(
        Postgres,
        &[(
            "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b; DELETE FROM c); SELECT 1",
            &[
                "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b; DELETE FROM c)",
                "SELECT 1",
            ],
        )],
    );
}

#[test]
fn an_atomic_body_ends_at_its_own_end() {
    let plain = "CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END";
    let cases = "create or replace procedure p() begin atomic\n insert into t select case when a then case 1 when 1 then 2 end else 3 end; delete from t; end";
    let names = "CREATE FUNCTION f() RETURNS TABLE (a int) BEGIN ATOMIC SELECT x AS end, y.case FROM y; SELECT 1 AS \"end\"; END";
    let text = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'";
    let returns = "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END";
    for statement in [plain, cases, names, text, returns] {
        let script = format!("{statement};\nSELECT 1");
        check(Postgres, &[(script.as_str(), &[statement, "SELECT 1"])]);
    }
}

#[test]
fn an_atomic_body_is_that_of_a_routine_alone() {
    check(
        Postgres,
        &[
            (
                "BEGIN; SELECT 1; END; SELECT 2",
                &["BEGIN", "SELECT 1", "END", "SELECT 2"],
            ),
            (
                "SELECT a begin, atomic; SELECT 2",
                &["SELECT a begin, atomic", "SELECT 2"],
            ),
        ],
    );
}
