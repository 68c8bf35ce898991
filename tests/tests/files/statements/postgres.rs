//! PostgreSQL's grammar.

use flamingock::__private::DatabaseKind;
use flamingock::__private::statements::Quoting;

use super::grammar::{Grammar, Script, tokens};

/// psql reads line by line: it reads the second part of a string that continues on the next line as
/// a separate string, in which a backslash escapes nothing.
pub(crate) struct ForPsql;

pub(crate) struct ForServer;

impl Grammar for ForPsql {
    const QUOTING: Quoting = Quoting::of(DatabaseKind::Postgres);
    const KNOWS_MARKS: bool = true;
    const GAPS: &'static [&'static str] = GAPS;

    fn text(script: &mut Script) -> String {
        text(script, &["b", ";", "\\n", "''"])
    }

    fn statement(script: &mut Script) -> Vec<String> {
        if !script.chance(8) {
            return statement::<Self>(script);
        }
        let escapes = script.chance(2);
        script.quoting.backslash_escapes = escapes;
        let value = match escapes {
            true => script.one_of(&["off", "'off'", "FALSE", "no"]),
            false => script.one_of(&["on", "'on'", "true"]),
        };
        let scope = script.one_of(&["", "SESSION", "session"]);
        let is = script.one_of(&["=", "TO"]);
        // psql reads the setting at the beginning of a line.
        tokens(&[
            "SET",
            scope,
            "standard_conforming_strings",
            is,
            value,
            ";",
            "\n",
        ])
    }
}

impl Grammar for ForServer {
    const QUOTING: Quoting = Quoting::of(DatabaseKind::Postgres);
    const KNOWS_MARKS: bool = false;
    const GAPS: &'static [&'static str] = GAPS;

    fn text(script: &mut Script) -> String {
        text(script, &["b", ";", "\\'", "\\\\", "''"])
    }

    fn statement(script: &mut Script) -> Vec<String> {
        // The statements before a BEGIN belong to the whole text's own transaction, up to here.
        let commit = |token: String| token.replace("ROLLBACK", "COMMIT");
        statement::<Self>(script).into_iter().map(commit).collect()
    }
}

const GAPS: &[&str] = &[
    " ",
    " ",
    " ",
    "\n",
    "\r\n",
    "\t",
    "/* ; */",
    "/* /* ; ' */ \" ; */",
    " -- it's; $$ \"\n",
    "/*+ hint; */",
    "/*/**/*/",
];

fn text(script: &mut Script, continued: &[&str]) -> String {
    match script.below(9) {
        0..3 => plain(script),
        3 => {
            let first = script.pieces(&["a", ";", "\\'", "\\\\", "''", "\\n", "--", "$$", "\n"]);
            let prefix = script.one_of(&["E", "e"]);
            if script.chance(2) {
                return format!("{prefix}'{first}'");
            }
            let between = script.one_of(&["\n", " \n ", " -- ';\n\t"]);
            let second = script.pieces(continued);
            format!("{prefix}'{first}'{between}'{second}'")
        }
        4 => dollar(script),
        // With backslashes that escape, it is an error.
        5 if script.quoting.backslash_escapes => plain(script),
        5 => "U&'\\0061;\\\\'".to_owned(),
        6 => {
            let name = script.one_of(&[
                "\"a;\"\"b\"",
                "\"'\"",
                "\"$$\"",
                "a$b$",
                "begin_date",
                "\"END;\"",
            ]);
            let inner = plain(script);
            format!("(SELECT {name} FROM (SELECT {inner}::text AS {name}) AS q)")
        }
        7 => {
            let (one, two) = (plain(script), plain(script));
            format!("CASE WHEN {one} = 'x' THEN {two} ELSE 'y;' END")
        }
        _ => "(5*/* ; */2 - -1)::text".to_owned(),
    }
}

fn statement<G: Grammar>(script: &mut Script) -> Vec<String> {
    let id = script.id().to_string();
    let text = G::text(script);
    match script.below(14) {
        0 => {
            let tag = script.one_of(&["$$", "$body$", "$ä_1$"]);
            let body = format!(
                "{tag} DECLARE it text := 'it''s;'; BEGIN INSERT INTO log (id, note) VALUES ({id}, it); IF true THEN NULL; END IF; END {tag}"
            );
            tokens(&["DO", &body, ";"])
        }
        1 => {
            let name = script.name();
            tokens(&[
                "create", "FUNCTION", &name, "(", "a", "text", ")", "RETURNS", "text", "LANGUAGE",
                "sql", "begin", "Atomic", "SELECT", "1", "AS", "\"end\"", ";", "SELECT", "CASE",
                "WHEN", "a", "=", "'x;'", "THEN", "a", "ELSE", "CASE", "a", "WHEN", "''", "THEN",
                "a", "ELSE", "a", "||", "';'", "END", "END", ";", "End", ";", "INSERT", "INTO",
                "log", "(", "id", ",", "note", ")", "SELECT", &id, ",", &name, "(", &text, ")",
                ";",
            ])
        }
        2 => {
            let name = script.name();
            tokens(&[
                "CREATE",
                "OR",
                "REPLACE",
                "PROCEDURE",
                &name,
                "(",
                ")",
                "BEGIN",
                "ATOMIC",
                "INSERT",
                "INTO",
                "log",
                "(",
                "id",
                ",",
                "note",
                ")",
                "VALUES",
                "(",
                &id,
                ",",
                &text,
                ")",
                ";",
                "UPDATE",
                "log",
                "SET",
                "note",
                "=",
                "note",
                "||",
                "';'",
                "WHERE",
                "id",
                "=",
                &id,
                ";",
                "END",
                ";",
                "CALL",
                &name,
                "(",
                ")",
                ";",
            ])
        }
        3 => {
            let (table, rule) = (script.name(), script.name());
            tokens(&[
                "CREATE", "TABLE", &table, "(", "n", "int", ")", ";", "CREATE", "RULE", &rule,
                "AS", "ON", "INSERT", "TO", &table, "DO", "ALSO", "(", "UPDATE", "log", "SET",
                "note", "=", "'ruled;'", "WHERE", "id", "=", "1", ";", "INSERT", "INTO", "log",
                "(", "id", ",", "note", ")", "VALUES", "(", &id, ",", &text, ")", ")", ";",
                "INSERT", "INTO", &table, "VALUES", "(", "1", ")", ";",
            ])
        }
        _ => script.common::<G>(),
    }
}

fn plain(script: &mut Script) -> String {
    if script.quoting.backslash_escapes {
        let text = script.pieces(&["a", ";", "''", "\\'", "\\\\", "\\n", "--", "\"", "é"]);
        return format!("'{text}'");
    }
    let text = script.pieces(&[
        "a", ";", "''", "\\", "--", "/*", "*/", "$$", "$a$", "\"", "\n", "é", "E", "BEGIN",
    ]);
    format!("'{text}'")
}

fn dollar(script: &mut Script) -> String {
    let (tag, pieces): (_, &[&str]) = script.one_of(&[
        (
            "$$",
            &["a", ";", "'", "\\", "/*", "--", "\"", "\n"] as &[&str],
        ),
        ("$a$", &["a", ";", "'", "$$", "$b$", "$A$", "$", "\n", "/*"]),
        ("$end_1$", &["$end$", ";", "$end_1", "'", "end_1$"]),
    ]);
    let mut text = script.pieces(pieces);
    while text.contains(tag) || format!("{text}{tag}").find(tag) != Some(text.len()) {
        text = script.pieces(pieces);
    }
    format!("{tag}{text}{tag}")
}
