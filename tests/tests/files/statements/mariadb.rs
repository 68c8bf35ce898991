//! MariaDB's grammar.

use flamingock::__private::DatabaseKind;
use flamingock::__private::statements::Quoting;

use super::grammar::{Grammar, Script, tokens};

/// Routines are enclosed in `DELIMITER` commands.
pub(crate) struct WithDelimiters;

/// Routines are among the other statements.
pub(crate) struct WithoutDelimiters;

const GAPS: &[&str] = &[
    " ",
    " ",
    " ",
    "\n",
    "\r\n",
    "\t",
    "/* ; ' */",
    "/* /* ; */",
    " -- it's; \"\n",
    " # ; `\n",
    "/* END; */",
    " -- \n",
];

impl Grammar for WithDelimiters {
    const QUOTING: Quoting = Quoting::of(DatabaseKind::MySql);
    const KNOWS_MARKS: bool = true;
    const GAPS: &'static [&'static str] = GAPS;

    fn text(script: &mut Script) -> String {
        text(script)
    }

    fn statement(script: &mut Script) -> Vec<String> {
        if let Some(mode) = mode(script) {
            return mode;
        }
        if !script.chance(4) {
            return named(script.common::<Self>());
        }
        let delimiter = script.one_of(&["//", "$$", ";;", "|", "^^;"]);
        let (create, call) = routine(script);
        let mut tokens = vec![format!(
            "\n{} {delimiter}\n",
            script.one_of(&["DELIMITER", "delimiter"])
        )];
        tokens.extend(create);
        tokens.push(delimiter.to_owned());
        tokens.push("\nDELIMITER ;\n".to_owned());
        tokens.extend(call);
        tokens
    }
}

impl Grammar for WithoutDelimiters {
    const QUOTING: Quoting = Quoting::of(DatabaseKind::MySql);
    const KNOWS_MARKS: bool = false;
    const GAPS: &'static [&'static str] = GAPS;

    fn text(script: &mut Script) -> String {
        text(script)
    }

    fn statement(script: &mut Script) -> Vec<String> {
        if let Some(mode) = mode(script) {
            return mode;
        }
        if !script.chance(3) {
            let mut statement = named(script.common::<Self>());
            // The server refuses an empty statement.
            while statement.first().is_some_and(|token| token == ";") {
                statement = named(script.common::<Self>());
            }
            return statement;
        }
        let (mut tokens, call) = routine(script);
        tokens.push(";".to_owned());
        tokens.extend(call);
        tokens
    }
}

/// The quoting mode is set at the beginning, and changed from time to time.
fn mode(script: &mut Script) -> Option<Vec<String>> {
    let is_first = script.text.trim_start_matches('\u{feff}').is_empty();
    if !is_first && !script.chance(8) {
        return None;
    }
    let before = script.quoting;
    script.quoting.backslash_escapes = script.chance(2);
    script.quoting.double_quotes_name = script.chance(2);
    let (is_text, is_name) = (
        !script.quoting.backslash_escapes,
        script.quoting.double_quotes_name,
    );
    let ansi = script.one_of(&["ANSI_QUOTES", "ansi_quotes", "ANSI", "DB2", "POSTGRESQL"]);
    let modes = match (is_text, is_name) {
        (true, true) => format!("NO_BACKSLASH_ESCAPES,{ansi}"),
        (true, false) => "no_backslash_escapes".to_owned(),
        (false, true) => ansi.to_owned(),
        (false, false) => script.one_of(&["", "IGNORE_SPACE", "ORACLE"]).to_owned(),
    };
    let set = |text: &str| Some(tokens(&[text, ";"]));
    match script.below(4) {
        0 => set(&format!(
            "SET @was = @@sql_mode, @x = 1, sql_mode = '{modes}'"
        )),
        1 => set(&format!("SET SESSION sql_mode := '{modes}'")),
        2 => {
            let open = script.one_of(&["/*!40101", "/*!"]);
            set(&format!("{open} SET @@session.SQL_MODE='{modes}' */ "))
        }
        // The previous mode is restored.
        _ if !is_first => {
            script.quoting = before;
            Some(tokens(&[
                "SET",
                "@was",
                "=",
                "@@sql_mode",
                ";",
                "SET",
                "sql_mode",
                "=",
                "'ANSI,NO_BACKSLASH_ESCAPES'",
                ";",
                "SET",
                "@y",
                "=",
                "'\\'",
                ";",
                "SET",
                "sql_mode",
                "=",
                "@was",
                ";",
            ]))
        }
        _ => set(&format!("SET sql_mode='{modes}'")),
    }
}

fn text(script: &mut Script) -> String {
    match script.below(9) {
        0..3 => plain(script),
        3 if script.quoting.double_quotes_name => {
            let inner = plain(script);
            let name = script.one_of(&["\"a;\"\"b\"", "\"'\"", "\"\\\"", "\"a\\;--\""]);
            format!("(SELECT {name} FROM (SELECT {inner} AS {name}) AS q)")
        }
        3 if !script.quoting.backslash_escapes => {
            let text = script.pieces(&["a", ";", "\"\"", "\\", "'", "--", "/*", "#", "\n"]);
            format!("\"{text}\"")
        }
        3 => {
            let text = script.pieces(&[
                "a", ";", "\"\"", "\\\"", "'", "\\\\", "--", "/*", "*/", "#", "\n",
            ]);
            format!("\"{text}\"")
        }
        4 => {
            let name = script.one_of(&[
                "`a;``b`",
                "`'`",
                "`END;`",
                "begin_date",
                "end",
                "begin",
                "a$$b",
            ]);
            // A delimiter counts within a name, too.
            let name = if name == "a$$b" { "a$b" } else { name };
            let inner = plain(script);
            format!("(SELECT {name} FROM (SELECT {inner} AS {name}) AS q)")
        }
        5 => {
            let (one, two) = (plain(script), plain(script));
            format!("CASE WHEN {one} = 'x' THEN {two} ELSE 'y;' END")
        }
        6 => "CONCAT(5--1, x'3b')".to_owned(),
        7 => {
            let open = script.one_of(&["/*!", "/*!50003", "/*M!100100"]);
            format!("{open} '*/;' */ ")
        }
        _ => "(5*/* ; */2)".to_owned(),
    }
}

fn plain(script: &mut Script) -> String {
    if !script.quoting.backslash_escapes {
        let text = script.pieces(&["a", ";", "''", "\\", "--", "/*", "*/", "#", "\"", "\n", "é"]);
        return format!("'{text}'");
    }
    let text = script.pieces(&[
        "a", ";", "''", "\\'", "\\\\", "\\n", "--", "/*", "*/", "#", "\"", "`", "\n", "é", "END",
    ]);
    format!("'{text}'")
}

fn named(tokens: Vec<String>) -> Vec<String> {
    tokens
        .into_iter()
        .map(|token| {
            if token == "\"end\"" {
                "end".to_owned()
            } else {
                token
            }
        })
        .collect()
}

/// A routine, and the statements that use it.
fn routine(script: &mut Script) -> (Vec<String>, Vec<String>) {
    let (name, id, second) = (
        script.name(),
        script.id().to_string(),
        script.id().to_string(),
    );
    let (one, two) = (text(script), text(script));
    let insert = format!("INSERT INTO log (id, note) VALUES ({id}, {one})");
    let update =
        format!("UPDATE log SET note = {two}, end = 1, `begin` = 2 WHERE id = {id} OR end > begin");
    let case = format!(
        "CASE WHEN 1 THEN SET @a = CASE 2 WHEN 2 THEN 3 END ; WHEN 2 THEN {update} ; ELSE BEGIN END ; END CASE"
    );
    let loops = "l: LOOP LEAVE l ; END LOOP l ; WHILE 0 DO SET @a = 1 ; END WHILE ; REPEAT SET @a = REPEAT('a;', 2) ; UNTIL 1 END REPEAT";
    let branch = format!(
        "IF IF(1, 0, 1) THEN {update} ; ELSEIF 1 THEN {insert} ; ELSE BEGIN {update} ; END ; END IF"
    );
    let call = tokens(&["CALL", &name, "(", ")", ";"]);
    match script.below(5) {
        0 => (
            tokens(&[
                "CREATE",
                "PROCEDURE",
                &name,
                "(",
                ")",
                "BEGIN",
                "DECLARE",
                "begin_date",
                "INT",
                "DEFAULT",
                "5",
                ";",
                &insert,
                ";",
                &update,
                ";",
                "END",
            ]),
            call,
        ),
        1 => (
            tokens(&[
                "create",
                "or",
                "replace",
                "procedure",
                &name,
                "(",
                ")",
                "SQL",
                "SECURITY",
                "INVOKER",
                "begin",
                "declare",
                "exit",
                "handler",
                "for",
                "sqlexception",
                "begin",
                "end",
                ";",
                &case,
                ";",
                loops,
                ";",
                &branch,
                ";",
                "end",
            ]),
            call,
        ),
        2 => (
            tokens(&[
                "BEGIN", "NOT", "ATOMIC", &branch, ";", &case, ";", "FOR", "i", "IN", "1", "..",
                "2", "DO", "SET", "@a", "=", "i", ";", "END", "FOR", ";", "END",
            ]),
            Vec::new(),
        ),
        3 => {
            // The client loses words next to an executable comment if another comment touches it.
            let create = format!(
                "/*!50003 CREATE*/ /*!50017 DEFINER=CURRENT_USER*/\n/*!50003 TRIGGER {name} BEFORE INSERT ON log FOR EACH ROW IF NEW.id = {second} THEN SET NEW.note = CONCAT(NEW.note, ';'); IF NEW.end THEN SET NEW.end = 1; END IF; END IF */ "
            );
            let insert = format!("INSERT INTO log (id, note) VALUES ({second}, {two})");
            let drop = format!("DROP TRIGGER {name}");
            (tokens(&[&create]), tokens(&[&insert, ";", &drop, ";"]))
        }
        _ => (
            tokens(&[
                "CREATE",
                "FUNCTION",
                &name,
                "(",
                "a",
                "TEXT",
                ")",
                "RETURNS",
                "TEXT",
                "DETERMINISTIC",
                "RETURN",
                "CASE",
                "WHEN",
                "a",
                "=",
                "'x;'",
                "THEN",
                "a",
                "ELSE",
                "IF",
                "(",
                "1",
                ",",
                "a",
                ",",
                "''",
                ")",
                "END",
            ]),
            tokens(&[
                "INSERT", "INTO", "log", "(", "id", ",", "note", ")", "VALUES", "(", &id, ",",
                &name, "(", &one, ")", ")", ";",
            ]),
        ),
    }
}
