//! SQLite's grammar.

use flamingock::__private::DatabaseKind;
use flamingock::__private::statements::Quoting;

use super::grammar::{Grammar, Script, tokens};

pub(crate) struct Sqlite;

impl Grammar for Sqlite {
    const QUOTING: Quoting = Quoting::of(DatabaseKind::Sqlite);
    const KNOWS_MARKS: bool = true;
    const GAPS: &'static [&'static str] = &[
        " ",
        " ",
        " ",
        "\n",
        "\r\n",
        "\t",
        "/* ; ' */",
        "/* /* ; */",
        " -- it's; \"\n",
        "/* END; */",
    ];

    fn text(script: &mut Script) -> String {
        match script.below(7) {
            0..3 => plain(script),
            3 => {
                let name = script.one_of(&[
                    "\"a;\"\"b\"",
                    "[a;'b]",
                    "`a;``\"`",
                    "begin_date",
                    "[END;]",
                    "a$b",
                ]);
                let inner = plain(script);
                format!("(SELECT {name} FROM (SELECT {inner} AS {name}))")
            }
            4 => {
                let (one, two) = (plain(script), plain(script));
                format!("CASE WHEN {one} = 'x' THEN {two} ELSE 'y;' END")
            }
            5 => "CAST(x'3b61' AS TEXT)".to_owned(),
            _ => "(5*/* ; */2 - -1)".to_owned(),
        }
    }

    fn statement(script: &mut Script) -> Vec<String> {
        if !script.chance(4) {
            return script.common::<Self>();
        }
        let (id, second) = (script.id().to_string(), script.id().to_string());
        let (table, trigger) = (script.name(), script.name());
        let (text, other) = (Self::text(script), Self::text(script));
        let kind = script.one_of(&["TEMP", "temporary", "/* none */"]);
        tokens(&[
            "CREATE", kind, "TABLE", &table, "(", "n", "INT", ",", "\"end\"", "INT", ")", ";",
            "create", kind, "Trigger", &trigger, "AFTER", "INSERT", "ON", &table, "WHEN", "CASE",
            "WHEN", "new.n", "THEN", "1", "END", "BEGIN", "UPDATE", &table, "SET", "\"end\"", "=",
            "1", ";", "INSERT", "INTO", "log", "(", "id", ",", "note", ")", "VALUES", "(", &id,
            ",", &text, ")", ";", "INSERT", "INTO", "log", "(", "id", ",", "note", ")", "SELECT",
            &second, ",", "CASE", "new.n", "WHEN", "1", "THEN", &other, "END", ";", "end", ";",
            "INSERT", "INTO", &table, "VALUES", "(", "1", ",", "0", ")", ";",
        ])
    }
}

fn plain(script: &mut Script) -> String {
    let text = script.pieces(&[
        "a", ";", "''", "\\", "--", "/*", "*/", "\"", "[", "\n", "é", "; END;",
    ]);
    format!("'{text}'")
}
