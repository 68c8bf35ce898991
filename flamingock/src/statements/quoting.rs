//! Tracking the meaning of quotes and backslashes, which a session sets and a script can change.
//!
//! MySQL and MariaDB have it in `sql_mode`, PostgreSQL in `standard_conforming_strings`. Their
//! servers report the setting to the clients after each statement. Here it is queried before the
//! script, and the script's own `SET` statements are interpreted.

use crate::statements::quotes::{ANSI, Quoting, dependent, names};
use crate::statements::tokens::{tokens, unquoted};
use std::cell::OnceCell;
use std::ops::Range;

use super::conforming::{self, Said};
use super::context::is_one_of;
use super::script::Statement;
use crate::util::database_kind::DatabaseKind;

/// The meaning of quotes and backslashes after the statements read so far.
#[derive(Debug)]
pub(super) struct Course<'a> {
    kind: DatabaseKind,
    now: Quoting,
    /// Variables that hold a saved setting, and its meaning.
    kept: Vec<(&'a str, Quoting)>,
    /// The last place in the text that depends on backslashes.
    last_dependent: OnceCell<Option<usize>>,
    /// Whether the rest of the text is known to mean the same, whatever backslashes mean.
    reads_the_same: bool,
}

/// The effect of a statement on the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The meaning is known.
    To(Quoting),
    /// The setting gets a value that the statement's text does not show; `at` is the next place
    /// that depends on it.
    Unknown { at: usize },
}

impl<'a> Course<'a> {
    pub(super) fn new(kind: DatabaseKind, now: Quoting) -> Course<'a> {
        Course {
            kind,
            now,
            kept: Vec::new(),
            last_dependent: OnceCell::new(),
            reads_the_same: false,
        }
    }

    /// Updates the meaning after a statement of the text.
    pub(super) fn follow(&mut self, text: &'a str, statement: &Statement<'a>) -> Turn {
        let setting = match self.kind {
            DatabaseKind::MySql => "sql_mode",
            DatabaseKind::Postgres => conforming::SETTING,
            DatabaseKind::Sqlite => return Turn::To(self.now),
        };
        if self.kind == DatabaseKind::Postgres {
            match conforming::said(statement) {
                Said::Nothing => {}
                Said::Escapes(backslash_escapes) => {
                    self.now.backslash_escapes = backslash_escapes;
                    return Turn::To(self.now);
                }
                Said::Unknown => return self.unknown(text, statement.range.end),
            }
        }
        let words = statement.text.split(|c: char| !is_in_name(c));
        if !words.into_iter().any(|word| is_one_of(word, &[setting])) {
            return Turn::To(self.now);
        }
        for one in assignments(self.kind, statement) {
            let value = one.value.as_slice();
            if let ["@", variable] = *one.target {
                if mentions(value, setting) {
                    self.kept.push((variable, self.now));
                }
                continue;
            }
            if !one.is_of_session || !mentions(&one.target, setting) {
                continue;
            }
            match self.valued(value, setting) {
                Some(quoting) => self.now = quoting,
                None => {
                    let turn = self.unknown(text, statement.range.end);
                    if turn != Turn::To(self.now) {
                        return turn;
                    }
                }
            }
        }
        Turn::To(self.now)
    }

    /// Handles a setting whose value is unknown after this place.
    fn unknown(&mut self, text: &'a str, end: usize) -> Turn {
        let last = self.last_dependent.get_or_init(|| dependent(text).last());
        if self.reads_the_same || last.is_none_or(|last| last < end) {
            return Turn::To(self.now);
        }
        let rest = text.get(end..).unwrap_or_default();
        let at = match self.kind {
            DatabaseKind::Postgres => conforming::differs(rest, self.now),
            DatabaseKind::MySql | DatabaseKind::Sqlite => dependent(rest).next(),
        };
        // If the rest means the same from here, it does so from every later place.
        self.reads_the_same = at.is_none();
        at.map_or(Turn::To(self.now), |at| Turn::Unknown { at: end + at })
    }

    /// Returns the meaning of an assigned value, if its text shows it.
    fn valued(&self, value: &[&'a str], setting: &str) -> Option<Quoting> {
        let kept = |name: &str| {
            let mut kept = self.kept.iter().rev();
            kept.find(|(kept, _)| kept.eq_ignore_ascii_case(name))
                .map(|(_, quoting)| *quoting)
        };
        match value {
            [one] if unquoted(one).is_some() => {
                let value = unquoted(one).unwrap_or_default();
                return Some(Quoting::by_setting(self.kind, value));
            }
            [one] if self.kind == DatabaseKind::Postgres && !is_one_of(one, &["DEFAULT"]) => {
                return Some(Quoting::by_setting(self.kind, one));
            }
            ["@", name] => return kept(name),
            [function, "(", "@", name, ",", ..] if is_one_of(function, &["IFNULL", "COALESCE"]) => {
                return kept(name);
            }
            _ => {}
        }
        if self.kind != DatabaseKind::MySql || !mentions(value, setting) {
            return None;
        }
        // The new value is computed from the current one.
        let said: Vec<&str> = value.iter().filter_map(|part| unquoted(part)).collect();
        let said = said.join(",");
        let (escapes, ansi) = (names(&said, &["NO_BACKSLASH_ESCAPES"]), names(&said, ANSI));
        if !escapes && !ansi {
            return Some(self.now);
        }
        let has = |function| value.iter().any(|part| is_one_of(part, &[function]));
        let adds = match (has("CONCAT") || has("CONCAT_WS"), has("REPLACE")) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => return None,
        };
        Some(Quoting {
            backslash_escapes: if escapes {
                !adds
            } else {
                self.now.backslash_escapes
            },
            double_quotes_name: if ansi {
                adds
            } else {
                self.now.double_quotes_name
            },
        })
    }
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Reports whether a name is among these tokens.
fn mentions(tokens: &[&str], name: &str) -> bool {
    let bare = |token: &&str| is_one_of(token.trim_matches(['`', '"']), &[name]);
    tokens.iter().any(bare)
}

/// One assignment of a `SET`.
struct Assignment<'a> {
    target: Vec<&'a str>,
    value: Vec<&'a str>,
    is_of_session: bool,
}

fn assignments<'a>(kind: DatabaseKind, statement: &Statement<'a>) -> Vec<Assignment<'a>> {
    let tokens = tokens(kind, statement);
    let Some((_, rest)) = tokens
        .split_first()
        .filter(|(first, _)| is_one_of(first, &["SET"]))
    else {
        return Vec::new();
    };
    // The values of PostgreSQL's settings can have commas of their own, but not those of this
    // setting.
    let mut is_of_session = true;
    let mut all = Vec::new();
    for part in parts(rest) {
        let Some(Range { start, end }) = middle(rest, &part, kind) else {
            continue;
        };
        let target = rest[part.start..start].to_vec();
        let scope = |words: &[&str]| target.iter().any(|word| is_one_of(word, words));
        let is_elsewhere = scope(&["GLOBAL", "PERSIST", "PERSIST_ONLY", "STATEMENT"]);
        let said_at_name = target.first() == Some(&"@");
        let of_this = match (is_elsewhere, scope(&["SESSION", "LOCAL"])) {
            (true, _) => false,
            (false, true) => true,
            (false, false) => said_at_name || is_of_session,
        };
        // A scope also applies to the assignments after it.
        if !said_at_name {
            is_of_session = of_this;
        }
        all.push(Assignment {
            target,
            value: rest[end..part.end].to_vec(),
            is_of_session: of_this,
        });
    }
    all
}

/// Splits tokens at the commas outside parentheses.
fn parts(tokens: &[&str]) -> Vec<Range<usize>> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(from..at);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(from..tokens.len());
    parts
}

/// Returns the place of an assignment's `=`, `:=` or `TO`.
fn middle(tokens: &[&str], part: &Range<usize>, kind: DatabaseKind) -> Option<Range<usize>> {
    let is_one = |at: &usize| match tokens[*at] {
        "=" | ":" => true,
        word => kind == DatabaseKind::Postgres && is_one_of(word, &["TO"]),
    };
    let at = part.clone().find(is_one)?;
    let is_long = tokens[at] == ":" && tokens.get(at + 1) == Some(&"=");
    Some(at..at + 1 + usize::from(is_long))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::script::Blocks;
    use crate::statements::{Flaw, read, read_as};

    /// Returns whether backslashes escape, and double quotes enclose names, after a text.
    fn behind(text: &str) -> (bool, bool) {
        let text = format!("{text};\nSELECT 1");
        let read = read(DatabaseKind::MySql, &text, Blocks::None).unwrap();
        let last = read.statements.last().unwrap().quoting;
        (last.backslash_escapes, last.double_quotes_name)
    }

    #[test]
    fn mode_that_a_script_sets_counts_behind_it() {
        const ORDINARY: (bool, bool) = (true, false);
        const TEXT: (bool, bool) = (false, false);
        const NAMES: (bool, bool) = (true, true);
        for (text, expected) in [
            ("SET sql_mode = 'NO_BACKSLASH_ESCAPES'", TEXT),
            (
                "set session SQL_MODE := \"strict_all_tables, no_backslash_escapes\"",
                TEXT,
            ),
            ("SET @@sql_mode = 'ANSI'", NAMES),
            ("SET @@session.sql_mode='ANSI_QUOTES'", NAMES),
            ("SET LOCAL sql_mode='ANSI_QUOTES'", NAMES),
            ("SET @x = 1, sql_mode = 'ANSI_QUOTES'", NAMES),
            ("/*!40101 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */", TEXT),
            (
                "SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')",
                TEXT,
            ),
            (
                "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SET sql_mode = (SELECT REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''))",
                ORDINARY,
            ),
            (
                "SET sql_mode = 'ANSI'; SET sql_mode = REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', '')",
                NAMES,
            ),
            (
                "SET @OLD=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES'; SET SQL_MODE=@old",
                ORDINARY,
            ),
            (
                "SET @OLD=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES'; SET SQL_MODE=IFNULL(@OLD, '')",
                ORDINARY,
            ),
            ("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'", ORDINARY),
            ("SET @@global.sql_mode = 'ANSI'", ORDINARY),
            ("SET GLOBAL a = 1, sql_mode = 'ANSI'", ORDINARY),
            ("SET STATEMENT sql_mode = 'ANSI' FOR SELECT 1", ORDINARY),
            ("SET @sql_mode = 'ANSI'", ORDINARY),
            ("SELECT 'SET sql_mode = ''ANSI'''", ORDINARY),
            ("SET sql_mode = DEFAULT", ORDINARY),
            (
                "CREATE PROCEDURE a() BEGIN SET sql_mode = 'ANSI'; END",
                ORDINARY,
            ),
        ] {
            assert_eq!(behind(text), expected, "{text}");
        }
    }

    #[test]
    fn strings_end_where_the_mode_says() {
        let text = "SET sql_mode = 'NO_BACKSLASH_ESCAPES';\nSELECT 'a\\';\nSELECT '; --'";
        let pieces = read(DatabaseKind::MySql, text, Blocks::None).unwrap();
        assert_eq!(pieces.statements.len(), 3);
        assert!(pieces.changes_quoting);
        let text = "SELECT 'a\\';\nSELECT '; --'";
        let quoting = Quoting::of(DatabaseKind::MySql).flipped();
        let pieces = read_as(DatabaseKind::MySql, text, Blocks::None, quoting).unwrap();
        assert_eq!(pieces.statements.len(), 2);
        assert!(!pieces.changes_quoting);
        let names = Quoting::by_setting(DatabaseKind::MySql, "ANSI_QUOTES");
        let text = "SELECT 1 AS \"a\\\"; SELECT '\\'; --'";
        let pieces = read_as(DatabaseKind::MySql, text, Blocks::None, names).unwrap();
        assert_eq!(pieces.statements.len(), 2);
    }

    #[test]
    fn mode_that_is_not_told_is_a_flaw_where_something_depends_on_it() {
        let text = "SET sql_mode = @other;\nSELECT 'it\\'s'";
        let error = read(DatabaseKind::MySql, text, Blocks::None).unwrap_err();
        assert!(matches!(error.flaw(), Flaw::UnknownQuoting { .. }));
        assert_eq!(error.line(), 2);
    }
}
