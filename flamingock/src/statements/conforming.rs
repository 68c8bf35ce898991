//! How statements of PostgreSQL change `standard_conforming_strings` other than by `SET`.

use super::context::is_one_of;
use super::lexer::Lexer;
use super::quotes::Quoting;
use super::quotes::is_off;
use super::script::Statement;
use super::tokens::{tokens, unquoted};
use crate::util::database_kind::DatabaseKind;

pub(super) const SETTING: &str = "standard_conforming_strings";

/// The effect of a statement on the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// Backslashes escape from here on (`true`), or they do not.
    Escapes(bool),
    /// The statement may set it to a value that its text does not show.
    Unknown,
}

pub(super) fn said(statement: &Statement<'_>) -> Said {
    let first = statement.text.trim_start().as_bytes().first();
    let may_reset = matches!(first, Some(b'R' | b'r' | b'D' | b'd' | b'-' | b'/'));
    let text = statement.text.to_ascii_lowercase();
    let calls = text.contains("set_config");
    if !may_reset && !calls && !text.contains(SETTING) {
        return Said::Nothing;
    }
    let tokens = tokens(DatabaseKind::Postgres, statement);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|one| is_one_of(one, &[word]));
    if is(0, "RESET")
        && (is(1, "ALL") || is(1, SETTING) || is(1, "\"standard_conforming_strings\""))
        || is(0, "DISCARD") && is(1, "ALL")
        || is(0, "DO") && text.contains(SETTING)
        // It has no effect outside a transaction, and its effect ends with a transaction that the
        // file itself ends.
        || is(0, "SET") && is(1, "LOCAL") && text.contains(SETTING)
    {
        return Said::Unknown;
    }
    let mut said = Said::Nothing;
    for at in (0..tokens.len()).filter(|at| is(*at, "set_config") && is(at + 1, "(")) {
        let name = tokens.get(at + 2).and_then(|name| unquoted(name));
        match name.filter(|_| is(at + 3, ",")) {
            Some(name) if !name.eq_ignore_ascii_case(SETTING) => {}
            Some(_) => said = value(&tokens, at),
            None => return Said::Unknown,
        }
    }
    said
}

/// Returns the value that the only call of a statement sets.
fn value(tokens: &[&str], at: usize) -> Said {
    let before = tokens.get(..at).unwrap_or_default();
    let is_alone = match before {
        [select] => is_one_of(select, &["SELECT"]),
        [select, schema, "."] => {
            is_one_of(select, &["SELECT"]) && is_one_of(schema, &["pg_catalog"])
        }
        _ => false,
    };
    match tokens.get(at + 4..) {
        Some([value, ",", local, ")"]) if is_alone && is_one_of(local, &["FALSE"]) => {
            unquoted(value).map_or(Said::Unknown, |value| Said::Escapes(is_off(value)))
        }
        _ => Said::Unknown,
    }
}

/// Returns the first place that would be read differently if backslashes had the other meaning.
pub(super) fn differs(text: &str, quoting: Quoting) -> Option<usize> {
    let mut one = Lexer::new(DatabaseKind::Postgres, text, quoting);
    let mut other = Lexer::new(DatabaseKind::Postgres, text, quoting.flipped());
    loop {
        match (one.next(), other.next()) {
            (Ok(None), Ok(None)) => return None,
            (Ok(Some(one)), Ok(Some(other))) if one == other => {}
            (Err(one), Err(other)) if one.at == other.at => return None,
            (Ok(Some(one)), _) => return Some(one.start),
            (_, Ok(Some(other))) => return Some(other.start),
            (Err(found), _) | (_, Err(found)) => return Some(found.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::statements::quotes::Quoting;
    use crate::statements::script::Blocks;
    use crate::statements::{Flaw, read, read_as};
    use crate::util::database_kind::DatabaseKind;

    const KIND: DatabaseKind = DatabaseKind::Postgres;
    const STRING: &str = "SELECT 'it\\'s; one';\nSELECT 2";

    #[test]
    fn strings_end_where_the_setting_says() {
        for set in [
            "SET standard_conforming_strings = off",
            "SET SESSION standard_conforming_strings TO 'off'",
            "SELECT set_config('standard_conforming_strings', 'off', false)",
            "select /* a */ pg_catalog.set_config('Standard_Conforming_Strings','0',FALSE)",
        ] {
            let text = format!("{set};\n{STRING}");
            let pieces = read(KIND, &text, Blocks::None).unwrap();
            assert_eq!(pieces.statements.len(), 3, "{set}");
            assert!(pieces.changes_quoting, "{set}");
        }
        for set in [
            "SET standard_conforming_strings = on",
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SELECT set_config('standard_conforming_strings', 'on', false)",
            "RESET search_path",
            "DISCARD PLANS",
            "SHOW standard_conforming_strings",
            "-- RESET ALL\nSELECT 1",
            "CREATE FUNCTION a() RETURNS int SET standard_conforming_strings = off LANGUAGE sql AS 'SELECT 1'",
            "ALTER ROLE a SET standard_conforming_strings = off",
        ] {
            let text = format!("{set};\nSELECT 'a\\';\nSELECT 2");
            let pieces = read(KIND, &text, Blocks::None).unwrap();
            assert_eq!(pieces.statements.len(), 3, "{set}");
            assert!(!pieces.changes_quoting, "{set}");
        }
    }

    #[test]
    fn setting_that_is_not_told_is_a_flaw_where_the_text_reads_otherwise() {
        for set in [
            "RESET standard_conforming_strings",
            "reset ALL",
            "/* a */ DISCARD ALL",
            "SET standard_conforming_strings TO DEFAULT",
            "set local standard_conforming_strings = false",
            "SET LOCAL \"standard_conforming_strings\" = off",
            "SELECT set_config('standard_conforming_strings', 'off', true)",
            "SELECT set_config('standard_conforming_strings', 'off', 't')",
            "SELECT set_config('standard_conforming_strings', what, false) FROM settings",
            "SELECT set_config(name, setting, false) FROM settings",
            "SELECT set_config('search_path', '', true), set_config('standard_conforming_strings', 'off', true)",
            "DO $$BEGIN SET standard_conforming_strings = off; END$$",
        ] {
            for quoting in [Quoting::of(KIND), Quoting::of(KIND).flipped()] {
                let text = format!("{set};\n\n{STRING}");
                let error = read_as(KIND, &text, Blocks::None, quoting).unwrap_err();
                let Flaw::UnknownQuoting { set: said } = error.flaw() else {
                    panic!("{set}: {error}");
                };
                assert!(!said.is_empty(), "{set}");
                assert_eq!(error.line(), 3, "{set}");
                // It means the same in both cases.
                let text = format!("{set};\nSELECT E'it\\'s', $$it\\'s$$, \"it\\\"; -- it\\'s\n");
                let pieces = read_as(KIND, &text, Blocks::None, quoting).unwrap();
                assert_eq!(pieces.statements.len(), 2, "{set}");
            }
        }
    }
}
