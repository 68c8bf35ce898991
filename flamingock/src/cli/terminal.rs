//! All output of the commands.
//!
//! Text is escaped here once more, except for line breaks and the commands' own colors; values were
//! escaped when their lines were made. A closed output is no failure, and neither is a closed
//! standard error, on which `eprintln!` would panic.

use std::io::{self, Write};

use crate::util::visible::{is_invisible, visible_lines};

/// Prints a text to standard output, followed by a line break.
///
/// # Errors
/// The output is closed.
pub(super) fn print(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), &escaped(text))
}

/// Prints the content of a file, whose names are checked already, to standard output.
///
/// # Errors
/// The output is closed.
pub(super) fn print_file(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), text)
}

/// Prints a JSON document, or the last part of one, to standard output.
///
/// # Errors
/// The output is closed.
pub(super) fn print_json(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), &json(text))
}

/// Prints a part of a JSON document to standard output.
///
/// # Errors
/// The output is closed.
pub(super) fn print_json_part(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(json(text).as_bytes())
}

/// Prints JSON documents to standard output, one a line.
///
/// # Errors
/// The output is closed.
pub(super) fn print_json_lines(documents: &[String]) -> io::Result<()> {
    let lines: String = documents.iter().map(|one| json(one) + "\n").collect();
    io::stdout().lock().write_all(lines.as_bytes())
}

/// Prints lines to standard output whose values are escaped already.
///
/// # Errors
/// The output is closed.
pub(super) fn print_lines(lines: impl IntoIterator<Item = String>) -> io::Result<()> {
    let lines: String = lines
        .into_iter()
        .map(|line| escaped(&line) + "\n")
        .collect();
    io::stdout().lock().write_all(lines.as_bytes())
}

/// Escapes more than JSON requires, so that a terminal interprets nothing. All such characters are
/// inside strings.
fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Prints a text to standard error, and ignores a closed output.
pub(super) fn tell(text: &str) {
    let _ = write(&mut io::stderr().lock(), &escaped(text));
}

fn write(out: &mut impl Write, text: &str) -> io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{end}").and_then(|()| out.flush())
}

/// Escapes everything except line breaks and the commands' own colors.
pub(super) fn escaped(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut shown = visible_lines(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        match color(part) {
            Some((code, rest)) => {
                shown.push('\u{1b}');
                shown.push_str(code);
                shown.push_str(&visible_lines(rest));
            }
            None => {
                shown.extend('\u{1b}'.escape_unicode());
                shown.push_str(&visible_lines(part));
            }
        }
    }
    shown
}

/// Splits a text after a color code, which follows an escape character. Texts from outside have
/// none: their escape characters are gone before they get into a line.
fn color(part: &str) -> Option<(&str, &str)> {
    let end = part.find('m')? + 1;
    let (code, rest) = part.split_at(end);
    let digits = code.strip_prefix('[')?.strip_suffix('m')?;
    let is_color = digits.len() <= 16
        && digits
            .bytes()
            .all(|one| one.is_ascii_digit() || one == b';');
    is_color.then_some((code, rest))
}

/// Standard error for the lines of a log. Each is written at once, so a line break inside it comes
/// from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let one = text.trim_end_matches('\n').replace('\n', "\\n");
        // An error would make the subscriber use `eprintln!`.
        tell(&one);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_the_same_in_characters_that_are_seen() {
        let value =
            serde_json::json!({ "a\u{9b}": "\u{1b}]52;\n\u{7f}\u{85}\u{202e}\u{e0041}é🦩\\" });
        let shown = json(&value.to_string());
        assert!(!shown.chars().any(is_invisible), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn only_line_ends_and_colors_are_left() {
        for (text, shown) in [
            ("a\nb", "a\nb"),
            (
                "\u{1b}[38;5;10mgood\u{1b}[39m",
                "\u{1b}[38;5;10mgood\u{1b}[39m",
            ),
            ("\u{1b}[2Kgone", "\\u{1b}[2Kgone"),
            ("\u{1b}]52;c;eA==\u{7}m", "\\u{1b}]52;c;eA==\\u{7}m"),
            ("\u{1b}", "\\u{1b}"),
            ("a\u{1b}[31\u{1b}[0m", "a\\u{1b}[31\u{1b}[0m"),
            ("\u{9b}31m\u{202e}", "\\u{9b}31m\\u{202e}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }
}
