//! The tokens of PostgreSQL, and its statements that contain semicolons.
//!
//! They follow "Lexical Structure" in the documentation, and the grammar of `CREATE FUNCTION`.

use super::context::{Before, Seen, is_one_of};
use super::error::Flaw;
use super::quotes::Quoting;
use super::scanner::{Escapes, Scanner};
use super::token::Kind;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c')
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_in_tag(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit()
}

fn is_in_word(byte: u8) -> bool {
    is_in_tag(byte) || byte == b'$'
}

/// Reads the token that begins here.
pub(super) fn token(scanner: &mut Scanner<'_>, quoting: Quoting) -> Result<Kind, Flaw> {
    match (scanner.peek(0), scanner.peek(1)) {
        (Some(byte), _) if is_blank(byte) => {
            scanner.skip_while(is_blank);
            Ok(Kind::Blank)
        }
        (Some(b'-'), Some(b'-')) => {
            scanner.line_comment(is_line_end);
            Ok(Kind::Comment)
        }
        (Some(b'/'), Some(b'*')) => comment(scanner),
        (Some(b'\''), _) => {
            scanner.string(b'\'', Escapes::of(quoting))?;
            Ok(Kind::Value)
        }
        (Some(b'"'), _) => {
            scanner.name(b'"', Escapes::Doubled)?;
            Ok(Kind::Value)
        }
        (Some(b'$'), _) => dollar(scanner),
        (Some(b'e' | b'E'), Some(b'\'')) => escape_string(scanner),
        (Some(byte), _) if begins_word(byte) => {
            scanner.skip_while(is_in_word);
            Ok(Kind::Word)
        }
        (Some(byte), _) if byte.is_ascii_digit() => {
            // Without the dollar sign: `1$$` is a number and the beginning of a string.
            scanner.skip_while(is_in_tag);
            Ok(Kind::Value)
        }
        (Some(b'\\'), _) => Err(Flaw::ClientCommand {
            client: "psql",
            command: command(scanner),
        }),
        (Some(byte), _) => {
            scanner.step(1);
            Ok(Kind::Symbol(byte))
        }
        (None, _) => Ok(Kind::Blank),
    }
}

fn comment(scanner: &mut Scanner<'_>) -> Result<Kind, Flaw> {
    // Extensions read hints for the planner from such a comment before the statement.
    let kind = match scanner.peek(2) {
        Some(b'+') => Kind::Hint,
        _ => Kind::Comment,
    };
    scanner.block_comment(true)?;
    Ok(kind)
}

/// Reads a dollar-quoted string, a parameter such as `$1`, or a dollar sign.
fn dollar(scanner: &mut Scanner<'_>) -> Result<Kind, Flaw> {
    let start = scanner.at();
    scanner.step(1);
    if scanner.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
        scanner.skip_while(|byte| byte.is_ascii_digit());
        return Ok(Kind::Value);
    }
    scanner.skip_while(is_in_tag);
    if scanner.peek(0) != Some(b'$') {
        scanner.go_to(start + 1);
        return Ok(Kind::Symbol(b'$'));
    }
    scanner.step(1);
    let tag = scanner.text().get(start..scanner.at()).unwrap_or("$$");
    // A tag has a dollar sign at both ends and none inside, so no byte is compared more than twice.
    loop {
        scanner.skip_while(|byte| byte != b'$');
        if scanner.starts_with(tag) {
            scanner.step(tag.len());
            return Ok(Kind::Value);
        }
        if scanner.rest().is_empty() {
            return Err(Flaw::OpenDollarQuote {
                tag: super::shorten(tag),
            });
        }
        scanner.step(1);
    }
}

/// Reads `E'..'` and the strings that continue it. The standard joins strings that are separated
/// only by blanks with a line break, and backslashes escape in each part of such a string.
fn escape_string(scanner: &mut Scanner<'_>) -> Result<Kind, Flaw> {
    scanner.step(1);
    loop {
        scanner.string(b'\'', Escapes::DoubledAndBackslash)?;
        let end = scanner.at();
        if !continues(scanner) {
            scanner.go_to(end);
            return Ok(Kind::Value);
        }
    }
}

/// Skips blanks and comments, and reports whether a quote follows on another line.
fn continues(scanner: &mut Scanner<'_>) -> bool {
    let mut line_ended = false;
    loop {
        match (scanner.peek(0), scanner.peek(1)) {
            (Some(byte), _) if is_blank(byte) => {
                line_ended |= is_line_end(byte);
                scanner.step(1);
            }
            (Some(b'-'), Some(b'-')) => scanner.line_comment(is_line_end),
            (next, _) => return line_ended && next == Some(b'\''),
        }
    }
}

/// Returns the backslash and the word after it.
pub(super) fn command(scanner: &Scanner<'_>) -> String {
    let mut end = scanner.clone();
    end.step(1);
    end.skip_while(|byte| byte.is_ascii() && !is_blank(byte));
    let word = scanner.text().get(scanner.at()..end.at());
    super::shorten(word.unwrap_or("\\"))
}

/// The state of a statement that determines whether a semicolon ends it.
///
/// A semicolon in parentheses does not (`CREATE RULE .. DO (..; ..)`), nor one in a
/// `BEGIN ATOMIC .. END` body, where each `CASE` has its own `END`.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    before: Before<'a>,
    head: Head,
    parentheses: usize,
    /// The number of `BEGIN ATOMIC` and `CASE` that have no `END` yet.
    open: usize,
    copies_of_client: bool,
}

/// The kind of the statement, as far as its first words show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Start,
    Create,
    Routine,
    Copy,
    Other,
}

impl<'a> Shape<'a> {
    pub(super) fn see(&mut self, seen: Seen<'a>) {
        match seen {
            Seen::Symbol(b'(') => self.parentheses += 1,
            Seen::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            Seen::Word(word) => self.word(word),
            Seen::Symbol(_) | Seen::Value => {}
        }
        if self.head == Head::Start {
            self.head = first(seen);
        }
        self.before = Before::from(seen);
    }

    pub(super) fn can_end(&self) -> bool {
        self.parentheses == 0 && self.open == 0
    }

    pub(super) fn flaw(&self) -> Option<Flaw> {
        self.copies_of_client.then_some(Flaw::CopyOfClient)
    }

    fn word(&mut self, word: &str) {
        match self.head {
            Head::Create => self.head = second(word),
            Head::Routine => self.routine_word(word),
            Head::Copy if self.parentheses == 0 => {
                let from = self.before.is_word("FROM") && is_one_of(word, &["STDIN"]);
                let to = self.before.is_word("TO") && is_one_of(word, &["STDOUT"]);
                self.copies_of_client |= from || to;
            }
            Head::Copy | Head::Start | Head::Other => {}
        }
    }

    fn routine_word(&mut self, word: &str) {
        // Names, such as `AS end` and `t.case`.
        if self.before.is_symbol(b'.') || self.before.is_word("AS") {
            return;
        }
        if self.open == 0 {
            if self.before.is_word("BEGIN") && is_one_of(word, &["ATOMIC"]) {
                self.open = 1;
            }
        } else if is_one_of(word, &["CASE"]) {
            self.open += 1;
        } else if is_one_of(word, &["END"]) {
            self.open -= 1;
        }
    }
}

fn first(seen: Seen<'_>) -> Head {
    match seen {
        Seen::Word(word) if is_one_of(word, &["CREATE"]) => Head::Create,
        Seen::Word(word) if is_one_of(word, &["COPY"]) => Head::Copy,
        Seen::Word(_) | Seen::Symbol(_) | Seen::Value => Head::Other,
    }
}

fn second(word: &str) -> Head {
    if is_one_of(word, &["OR", "REPLACE"]) {
        Head::Create
    } else if is_one_of(word, &["FUNCTION", "PROCEDURE"]) {
        Head::Routine
    } else {
        Head::Other
    }
}
