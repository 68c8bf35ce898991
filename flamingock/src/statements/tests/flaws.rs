use super::super::{read, split};
use super::ALL;
use crate::statements::script::Blocks;
use crate::util::database_kind::DatabaseKind;
use crate::util::database_kind::DatabaseKind::{MySql, Postgres, Sqlite};

fn message(kind: DatabaseKind, script: &str, blocks: Blocks) -> String {
    match split(kind, script, blocks) {
        Ok(found) => panic!("{kind}: {script:?} is {found:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_does_not_end_is_an_error_with_the_line_where_it_begins() {
    for kind in ALL {
        let cases = [
            (
                "SELECT 1;\nSELECT 'a\n; SELECT 2",
                "line 2: the string that begins here has no closing ': 'a ; SELECT 2",
            ),
            (
                "SELECT 1;\n\n/* a\n; SELECT 2",
                "line 3: the comment that begins here has no closing */: /* a ; SELECT 2",
            ),
            (
                "SELECT 1 /*",
                "line 1: the comment that begins here has no closing */: /*",
            ),
        ];
        for (script, expected) in cases {
            assert_eq!(message(kind, script, Blocks::None), expected, "{kind}");
        }
    }
    let cases = [
        (
            Postgres,
            "SELECT\n$a$ $b$",
            "line 2: the string that begins here has no closing $a$: $a$ $b$",
        ),
        (
            Postgres,
            "SELECT\n$$",
            "line 2: the string that begins here has no closing $$: $$",
        ),
        (
            Postgres,
            "SELECT\nE'\\'",
            "line 2: the string that begins here has no closing ': E'\\'",
        ),
        (
            Postgres,
            "/* /* */",
            "line 1: the comment that begins here has no closing */: /* /* */",
        ),
        (
            Postgres,
            "SELECT \"a",
            "line 1: the quoted name that begins here has no closing \": \"a",
        ),
        (
            Sqlite,
            "SELECT [a",
            "line 1: the quoted name that begins here has no closing ]: [a",
        ),
        (
            Sqlite,
            "SELECT `a",
            "line 1: the quoted name that begins here has no closing `: `a",
        ),
        (
            MySql,
            "SELECT 'a\\'",
            "line 1: the string that begins here has no closing ': 'a\\'",
        ),
        (
            MySql,
            "SELECT 1;\n/*! SELECT 1",
            "line 2: the comment that begins here has no closing */: /*! SELECT 1",
        ),
        (
            MySql,
            "SELECT `a",
            "line 1: the quoted name that begins here has no closing `: `a",
        ),
    ];
    for (kind, script, expected) in cases {
        assert_eq!(message(kind, script, Blocks::None), expected, "{kind}");
    }
}

#[test]
fn a_script_of_comments_alone_has_no_statement() {
    for kind in ALL {
        for script in ["", " \n", ";;", "-- SELECT 1;\n/* SELECT 2 */;", "\u{feff}"] {
            let read = read(kind, script, Blocks::None).unwrap();
            assert_eq!(read.statements, [], "{kind}: {script:?}");
            assert!(read.may_be_empty, "{kind}: {script:?}");
        }
    }
}

#[test]
fn what_only_a_client_understands_is_an_error() {
    let cases = [
        (
            Postgres,
            "SELECT 1;\n\\connect other\n",
            "line 2: \\connect is a command of the program psql, not of the database: remove it. A change runs in the database of its target system: what is for another database goes to a folder with a `target` of its own: \\connect other",
        ),
        (
            Sqlite,
            "SELECT 1;\n.mode box\n",
            "line 2: .mode is a command of the program sqlite3, not of the database: remove it, or say it in SQL: .mode box",
        ),
        (
            MySql,
            "SELECT 1 \\G\n",
            "line 1: \\G is a command of the program mysql, not of the database: remove it, or say it in SQL: \\G",
        ),
    ];
    for (kind, script, expected) in cases {
        assert_eq!(message(kind, script, Blocks::None), expected, "{kind}");
    }
    let copies = [
        "SELECT 1;\nCOPY a (b, c) FROM stdin;\n1\tit's\n\\.\n",
        "SELECT 1;\ncopy a to stdout",
        "SELECT 1;\nCOPY (SELECT 1) TO STDOUT WITH CSV",
    ];
    for script in copies {
        let found = message(Postgres, script, Blocks::None);
        assert!(
            found.starts_with("line 2: COPY from STDIN or to STDOUT needs"),
            "{found}"
        );
    }
    let files = "COPY a FROM '/a'; COPY (SELECT 1 FROM stdin) TO '/b'";
    assert_eq!(split(Postgres, files, Blocks::None).unwrap().len(), 2);
}

#[test]
fn a_template_of_another_tool_is_an_error() {
    for kind in ALL {
        let script = "SELECT '{{ a }}'; -- {{ b }}\nCREATE TABLE {{ .Prefix }}orders (id INT)";
        let found = message(kind, script, Blocks::None);
        let expected = "line 2: {{ .. }} is a place that another tool fills in, as pop, bun and morph do; nothing is put there: write the value: {{ .Prefix }}orders";
        assert!(found.starts_with(expected), "{kind}: {found}");
    }
}

#[test]
fn a_nul_byte_is_an_error() {
    for kind in ALL {
        let expected = "line 2: a NUL byte: a database would stop reading there; remove it";
        let found = message(kind, "SELECT 1;\nSELECT '\0'", Blocks::None);
        assert!(found.starts_with(expected), "{kind}: {found}");
    }
}

#[test]
fn a_delimiter_that_cannot_be_one_is_an_error() {
    let cases = [
        (
            "SELECT 1;\nDELIMITER\nSELECT 2",
            "line 2: DELIMITER without a delimiter: write",
        ),
        (
            "DELIMITER \\\nSELECT 2",
            "line 1: a DELIMITER with a quote or a backslash in it: write",
        ),
        (
            "DELIMITER 12345678901234567",
            "line 1: a DELIMITER of more than 16 bytes: write",
        ),
    ];
    for (script, expected) in cases {
        let found = message(MySql, script, Blocks::None);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_block_without_its_counterpart_is_an_error() {
    let cases = [
        (
            "SELECT 1;\n-- +goose StatementBegin\nSELECT 2;",
            "line 2: the statement that begins here has no line",
        ),
        (
            "SELECT 1;\n-- +goose StatementEnd\nSELECT 2;",
            "line 2: no `-- +goose StatementBegin` stands before",
        ),
        (
            "SELECT 1\n-- +goose StatementBegin\n-- +goose StatementEnd",
            "line 2: a statement begins before this",
        ),
    ];
    for (script, expected) in cases {
        for kind in ALL {
            let found = message(kind, script, Blocks::Goose);
            assert!(found.starts_with(expected), "{found}");
        }
    }
}

#[test]
fn an_error_names_its_file_and_the_files_line() {
    let error = split(Postgres, "SELECT\n'a", Blocks::None).unwrap_err();
    assert_eq!(error.line(), 2);
    let error = error.in_file("changes/0001__a.sql").from_line(10);
    assert_eq!(error.line(), 11);
    let expected = "changes/0001__a.sql:11: the string that begins here has no closing ': 'a";
    assert_eq!(error.to_string(), expected);
}
