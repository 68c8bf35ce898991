//! Properties of every text, tested with random ones.

use proptest::prelude::*;

use super::super::read;
use super::ALL;
use crate::statements::script::{Blocks, Script};

/// Pieces that have a meaning in at least one of the databases, and some that have none.
const PIECES: &[&str] = &[
    ";",
    "'",
    "\"",
    "`",
    "$$",
    "$a$",
    "$",
    "/*",
    "*/",
    "/*!",
    "/*+",
    "--",
    "-- ",
    "#",
    "\n",
    "\r\n",
    " ",
    "\\",
    "\\'",
    "(",
    ")",
    "[",
    "]",
    "E'",
    "U&'",
    "a",
    "é",
    "1",
    ".",
    ",",
    "=",
    "@@",
    "SELECT ",
    "CREATE ",
    "FUNCTION ",
    "PROCEDURE ",
    "TRIGGER ",
    "TEMP ",
    "BEGIN ",
    "ATOMIC ",
    "NOT ",
    "CASE ",
    "WHEN ",
    "THEN ",
    "END ",
    "END IF",
    "IF ",
    "LOOP ",
    "COMMIT",
    "ROLLBACK ",
    "TO ",
    "SET ",
    "autocommit",
    "DELIMITER ",
    "//",
    "COPY ",
    "FROM ",
    "STDIN",
    "-- +goose StatementBegin\n",
    "-- +goose StatementEnd\n",
    "\0",
];

fn scripts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES).prop_map(str::to_owned);
    let anything = "\\PC{0,3}";
    let part = prop_oneof![9 => piece, 1 => anything];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// Joins the statements and the text between them.
fn join(script: &str, read: &Script<'_>) -> String {
    let mut joined = String::new();
    let mut at = 0;
    for statement in &read.statements {
        joined.push_str(&script[at..statement.range.start]);
        joined.push_str(statement.text);
        at = statement.range.end;
    }
    joined.push_str(&script[at..]);
    joined
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statements_and_what_lies_between_them_are_the_script(script in scripts()) {
        for kind in ALL {
            for blocks in [Blocks::None, Blocks::Goose] {
                let Ok(found) = read(kind, &script, blocks) else { continue };
                prop_assert_eq!(join(&script, &found), script.as_str());
                prop_assert!(!found.statements.is_empty() || found.may_be_empty);
            }
        }
    }

    #[test]
    fn a_statement_is_trimmed_and_begins_on_its_line(script in scripts()) {
        for kind in ALL {
            let Ok(found) = read(kind, &script, Blocks::None) else { continue };
            for statement in found.statements {
                prop_assert_eq!(statement.text.trim_matches([' ', '\n', '\r']), statement.text);
                prop_assert!(!statement.text.is_empty());
                let before = &script[..statement.range.start];
                prop_assert_eq!(statement.line, 1 + before.matches('\n').count());
            }
        }
    }

    #[test]
    fn splitting_a_statement_again_changes_nothing(script in scripts()) {
        for kind in ALL {
            let Ok(found) = read(kind, &script, Blocks::None) else { continue };
            if found.has_client_commands {
                continue;
            }
            // Two minus signs of MySQL are a comment only before a blank or at the end of the text.
            let statements = found.statements.iter().filter(|one| !one.text.ends_with("--"));
            for statement in statements {
                let again = read(kind, statement.text, Blocks::None);
                let texts: Vec<&str> = again.iter().flat_map(|again| &again.statements).map(|one| one.text).collect();
                prop_assert_eq!(texts, [statement.text]);
            }
        }
    }

    #[test]
    fn no_text_breaks_it(script in "\\PC*", piece in scripts()) {
        for kind in ALL {
            for blocks in [Blocks::None, Blocks::Goose] {
                let text = format!("{piece}{script}");
                if let Err(error) = read(kind, &text, blocks) {
                    prop_assert!(error.line() <= 1 + text.matches('\n').count());
                }
            }
        }
    }
}
