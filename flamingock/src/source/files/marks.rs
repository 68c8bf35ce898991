//! Marks of other tools: comments that split a file into a part to apply and a part to revert.
//!
//! Read as plain SQL, such a file would run both parts: it would create a table, drop it again, and
//! be recorded as applied.

use super::format::Format;
use super::mistake::Mistake;
use crate::source::files::comment::comment;

/// The marks of one tool.
struct Marks {
    tool: &'static str,
    /// Reports whether a comment, in lower case and without its first characters, is a mark of the
    /// tool.
    matches: fn(&str) -> bool,
}

const MARKS: [Marks; 10] = [
    Marks {
        tool: "goose",
        matches: |comment| comment.contains("+goose"),
    },
    Marks {
        tool: "dbmate",
        matches: |comment| comment.contains("migrate:up") || comment.contains("migrate:down"),
    },
    Marks {
        tool: "sql-migrate",
        matches: |comment| comment.contains("+migrate"),
    },
    Marks {
        tool: "micrate",
        matches: |comment| comment.contains("+micrate"),
    },
    Marks {
        tool: "tern",
        matches: |comment| comment.contains("create above / drop below"),
    },
    Marks {
        tool: "node-pg-migrate",
        matches: |comment| matches!(words(comment).as_str(), "up migration" | "down migration"),
    },
    Marks {
        tool: "MyBatis Migrations",
        matches: |comment| comment.contains("@undo"),
    },
    Marks {
        tool: "rambler",
        matches: |comment| matches!(words(comment).as_str(), "rambler up" | "rambler down"),
    },
    Marks {
        tool: "drizzle",
        matches: |comment| comment.starts_with("> statement-breakpoint"),
    },
    Marks {
        tool: "Liquibase",
        matches: |comment| {
            let words = words(comment);
            words.starts_with("liquibase formatted sql")
                || comment.starts_with("changeset ") && comment.contains(':')
        },
    },
];

/// Finds the first mark of a tool other than that of the folder's format.
pub(super) fn find_foreign(format: Format, text: &str) -> Option<Mistake> {
    let mut has_statement = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start_matches('\u{feff}').trim();
        let Some(comment) = comment(line) else {
            has_statement |= !line.is_empty();
            continue;
        };
        let comment = comment.to_lowercase();
        let found = MARKS.iter().find(|marks| (marks.matches)(&comment));
        if let Some(marks) = found {
            let is_own = match format {
                Format::Goose => marks.tool == "goose",
                Format::Dbmate => marks.tool == "dbmate",
                Format::Own
                | Format::Sqlx
                | Format::Refinery
                | Format::Diesel
                | Format::Flyway
                | Format::GolangMigrate
                | Format::Atlas => false,
            };
            if is_own {
                continue;
            }
            return Some((number, of_tool(marks.tool, line)));
        }
        if has_statement && is_bare_down(&comment) {
            return Some((number, bare(line)));
        }
    }
    None
}

fn of_tool(tool: &str, line: &str) -> String {
    match tool {
        "goose" | "dbmate" => format!(
            "`{line}` is a mark of {tool}, which this folder's format does not have: both parts of the file would run. If this is a folder of {tool}, write `include_files!(\"..\", format = \"{tool}\")`; otherwise reword the comment"
        ),
        "drizzle" => format!(
            "`{line}` is a mark of drizzle, whose folders are not read here: remove these lines, and the file is plain SQL"
        ),
        tool => format!(
            "`{line}` is a mark of {tool}, which this folder's format does not have: both parts of the file would run. Split the file into one that is applied and one that reverts it, for example `0003__create_orders.sql` and `0003__create_orders.rollback.sql`, and remove the mark; if it is only a comment, reword it"
        ),
    }
}

fn bare(line: &str) -> String {
    format!(
        "`{line}` looks like the mark before the part that reverts the change: both parts of the file would run. Move that part to a file of its own, for example `0003__create_orders.rollback.sql`; if it is only a comment, reword it"
    )
}

/// Recognizes `-- down`, `-- !Downs`, `-- @undo` and the like, if there is nothing else in the
/// comment.
fn is_bare_down(comment: &str) -> bool {
    matches!(words(comment).as_str(), "down" | "downs" | "undo")
}

/// Returns the words of a comment without the signs around them.
fn words(comment: &str) -> String {
    let is_sign = |c: char| !c.is_alphanumeric();
    let words = comment
        .split_whitespace()
        .map(|word| word.trim_matches(is_sign))
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_other_tools_are_found_in_every_spelling() {
        let cases = [
            ("-- +goose Up\n", "goose"),
            ("\u{feff}-- +goose Up\n", "goose"),
            ("SELECT 1;\n  -- +goose Down\n", "goose"),
            ("SELECT 1;\n--+goose Down\n", "goose"),
            ("SELECT 1;\n-- see +goose Down below\n", "goose"),
            ("-- migrate:up\nSELECT 1;\n", "dbmate"),
            ("SELECT 1;\n--   migrate:down transaction:false\n", "dbmate"),
            ("-- +migrate Up\n", "sql-migrate"),
            ("-- +micrate Down\n", "micrate"),
            ("---- create above / drop below ----\n", "tern"),
            ("-- Up Migration\n", "node-pg-migrate"),
            ("-- //@UNDO\n", "MyBatis Migrations"),
            ("--//@UNDO\n", "MyBatis Migrations"),
            ("-- rambler up\n", "rambler"),
            ("SELECT 1;\n--> statement-breakpoint\n", "drizzle"),
            ("--liquibase formatted sql\n", "Liquibase"),
            ("--changeset ada:1\n", "Liquibase"),
            ("SELECT 1;\n# --- !Downs\n", "reverts the change"),
            ("SELECT 1;\n-- Down\n", "reverts the change"),
            ("SELECT 1;\n/* undo */\n", "reverts the change"),
        ];
        for (text, expected) in cases {
            let found = find_foreign(Format::Own, text);
            let (_, message) = found.unwrap_or_else(|| panic!("nothing found in {text:?}"));
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn other_comments_are_no_marks() {
        for text in [
            "-- Down\nSELECT 1;\n",
            "SELECT 1;\n-- slow down here\n",
            "SELECT 1; -- down\n",
            "-- migrated upwards\n",
            "-- changeset of ada\n",
            "SELECT '+goose Down';\n",
        ] {
            assert_eq!(find_foreign(Format::Sqlx, text), None, "{text:?}");
        }
        let goose = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n";
        assert_eq!(find_foreign(Format::Goose, goose), None);
        assert!(find_foreign(Format::Sqlx, goose).is_some());
    }

    #[test]
    fn the_line_of_the_mark_is_named() {
        let (line, _) = find_foreign(Format::Sqlx, "-- a\n\nSELECT 1;\n-- migrate:down\n").unwrap();
        assert_eq!(line, 4);
    }
}
