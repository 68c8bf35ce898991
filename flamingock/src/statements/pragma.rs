//! Pragmas of SQLite that change a setting.

use super::lexer::Lexer;
use super::script::Statement;
use super::token::Kind;
use crate::util::database_kind::DatabaseKind;

/// A statement that sets a pragma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pragma {
    /// The name in lower case, without that of a database.
    pub(crate) name: String,
    /// The value in lower case, without quotes.
    pub(crate) value: String,
    /// The line of the script, from 1.
    pub(crate) line: usize,
}

impl Pragma {
    /// Reports whether SQLite interprets the value as true.
    pub(crate) fn is_on(&self) -> bool {
        match self.value.as_str() {
            "on" | "yes" | "true" => true,
            value => value.parse::<i64>().is_ok_and(|number| number != 0),
        }
    }
}

/// Returns the pragma that a statement sets: `PRAGMA name = value`, `PRAGMA main.name(value)`.
pub(crate) fn pragma(statement: &Statement<'_>) -> Option<Pragma> {
    let mut lexer = Lexer::of(DatabaseKind::Sqlite, statement);
    let mut parts: Vec<&str> = Vec::new();
    while let Ok(Some(token)) = lexer.next() {
        match token.kind {
            Kind::Blank | Kind::Comment | Kind::Hint => {}
            Kind::Word
            | Kind::Value
            | Kind::Symbol(_)
            | Kind::Parameter
            | Kind::ExecutableOpen
            | Kind::ExecutableClose
            | Kind::Delimiter => parts.push(lexer.text_of(token)),
        }
        let is_other = parts
            .first()
            .is_some_and(|word| !word.eq_ignore_ascii_case("PRAGMA"));
        if is_other {
            return None;
        }
    }
    let (_, mut rest) = parts.split_first()?;
    if rest.get(1) == Some(&".") {
        rest = rest.get(2..)?;
    }
    let [name, "=" | "(", value @ ..] = rest else {
        return None;
    };
    let value: String = value.iter().copied().filter(|part| *part != ")").collect();
    Some(Pragma {
        name: bare(name),
        value: bare(&value),
        line: statement.line,
    })
}

/// Returns a text in lower case, without quotes.
fn bare(text: &str) -> String {
    let quotes: &[char] = &['\'', '"', '`', '[', ']'];
    text.trim_matches(quotes).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::read;
    use crate::statements::script::Blocks;

    #[test]
    fn pragmas_are_read_in_every_form() {
        for (text, expected) in [
            ("PRAGMA foreign_keys = OFF", Some(("foreign_keys", "off"))),
            ("pragma main.foreign_keys(0)", Some(("foreign_keys", "0"))),
            (
                "PRAGMA /* a */ \"journal_mode\" -- b\n = 'WAL'",
                Some(("journal_mode", "wal")),
            ),
            ("PRAGMA encoding=\"UTF-16\"", Some(("encoding", "utf-16"))),
            ("PRAGMA cache_size = -2000", Some(("cache_size", "-2000"))),
            ("PRAGMA foreign_keys", None),
            ("SELECT 'PRAGMA a = 1'", None),
        ] {
            let read = read(DatabaseKind::Sqlite, text, Blocks::None).unwrap();
            let found = pragma(&read.statements[0]);
            let found = found.as_ref().map(|one| (&*one.name, &*one.value));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn booleans_are_those_of_sqlite() {
        for (value, expected) in [
            ("on", true),
            ("yes", true),
            ("true", true),
            ("1", true),
            ("2", true),
            ("off", false),
            ("no", false),
            ("false", false),
            ("0", false),
        ] {
            let pragma = Pragma {
                name: String::new(),
                value: value.to_owned(),
                line: 1,
            };
            assert_eq!(pragma.is_on(), expected, "{value}");
        }
    }
}
