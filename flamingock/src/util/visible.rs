//! Escaping text from outside before it is printed.
//!
//! An error of a database, or a reason or a name that another program has written to the audit, may
//! contain characters that a terminal interprets: they move the cursor, set the clipboard, or
//! change the direction of the text. Everything that is printed is escaped here, except JSON, which
//! serde escapes.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Reports whether a terminal interprets the character, or a reader cannot see it.
pub(crate) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Soft hyphen, marks and overrides of direction, joiners, separators of lines.
            '\u{ad}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Fillers that are as wide as nothing or as a blank.
            | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
            // The byte-order mark, annotations, and tags.
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the text in one line, with escapes for the characters that must not be printed.
/// Everything visible stays unchanged, including the backslash, so that nothing is escaped twice.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_invisible)
}

/// Returns the text with the same escapes, but keeps its line breaks.
pub(crate) fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |one| one != '\n' && is_invisible(one))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_escaped(character) {
            push_escape(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn push_escape(text: &mut String, character: char) {
    match character {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        other => text.extend(other.escape_unicode()),
    }
}

/// Displays a value in one line, with escapes for the characters that must not be printed.
pub(crate) struct Visible<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Visible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes everything that is written to a formatter.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&visible(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_what_people_write_is_not() {
        for (text, expected) in [
            (
                "plain text, é, 日本語, e\u{301}, 🦩",
                "plain text, é, 日本語, e\u{301}, 🦩",
            ),
            (r"C:\temp \u{1b}", r"C:\temp \u{1b}"),
            ("\u{1b}[31m", r"\u{1b}[31m"),
            ("\u{1b}]52;c;eA==\u{7}", r"\u{1b}]52;c;eA==\u{7}"),
            ("\u{9b}2K\u{85}\u{7f}\0", r"\u{9b}2K\u{85}\u{7f}\u{0}"),
            ("a\r\n\tb", r"a\r\n\tb"),
            (
                "a\u{202e}b\u{2066}c\u{200f}",
                r"a\u{202e}b\u{2066}c\u{200f}",
            ),
            (
                "a\u{200b}b\u{feff}\u{2028}\u{e0041}",
                r"a\u{200b}b\u{feff}\u{2028}\u{e0041}",
            ),
        ] {
            assert_eq!(visible(text), expected);
            assert_eq!(
                visible(expected),
                expected,
                "an escape is not escaped again"
            );
            assert_eq!(Visible(text).to_string(), expected);
        }
        assert_eq!(visible_lines("a\r\nb\u{1b}"), "a\\r\nb\\u{1b}");
    }

    #[test]
    fn no_control_character_is_left_out() {
        let shown: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let marks = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let is_left = |one: char| one.is_control() || marks.contains(one);
        assert!(!visible(&shown).chars().any(is_left));
        assert!(!visible_lines(&shown).replace('\n', "").chars().any(is_left));
    }
}
