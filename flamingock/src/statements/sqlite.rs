//! The tokens of SQLite, and its triggers, which contain semicolons.
//!
//! They follow SQLite's tokenizer and the rules of `sqlite3_complete`.

use super::context::{Before, Seen, is_one_of};
use super::error::Flaw;
use super::postgres;
use super::scanner::{Escapes, Scanner};
use super::token::Kind;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// Reads the token that begins here.
pub(super) fn token(scanner: &mut Scanner<'_>) -> Result<Kind, Flaw> {
    match (scanner.peek(0), scanner.peek(1)) {
        (Some(byte), _) if is_blank(byte) => {
            scanner.skip_while(is_blank);
            Ok(Kind::Blank)
        }
        (Some(b'-'), Some(b'-')) => {
            scanner.line_comment(|byte| byte == b'\n');
            Ok(Kind::Comment)
        }
        (Some(b'/'), Some(b'*')) => {
            scanner.block_comment(false)?;
            Ok(Kind::Comment)
        }
        (Some(b'\''), _) => {
            scanner.string(b'\'', Escapes::Doubled)?;
            Ok(Kind::Value)
        }
        (Some(quote @ (b'"' | b'`')), _) => {
            scanner.name(quote, Escapes::Doubled)?;
            Ok(Kind::Value)
        }
        (Some(b'['), _) => {
            scanner.name(b']', Escapes::Nothing)?;
            Ok(Kind::Value)
        }
        (Some(byte), _) if byte.is_ascii_digit() => {
            scanner.skip_while(is_in_word);
            Ok(Kind::Value)
        }
        (Some(b'?'), _) => {
            scanner.step(1);
            scanner.skip_while(|byte| byte.is_ascii_digit());
            Ok(Kind::Parameter)
        }
        (Some(b':' | b'@' | b'$' | b'#'), Some(next)) if is_in_word(next) => {
            scanner.step(1);
            scanner.skip_while(is_in_word);
            Ok(Kind::Parameter)
        }
        // Possible before any word, because files may have been joined.
        (Some(_), _) if scanner.starts_with("\u{feff}") => {
            scanner.step('\u{feff}'.len_utf8());
            Ok(Kind::Blank)
        }
        (Some(byte), _) if is_in_word(byte) => {
            scanner.skip_while(is_in_word);
            Ok(Kind::Word)
        }
        (Some(byte), _) => {
            scanner.step(1);
            Ok(Kind::Symbol(byte))
        }
        (None, _) => Ok(Kind::Blank),
    }
}

/// The state of a statement that determines whether a semicolon ends it.
///
/// The body of a trigger is a list of statements that each end with a semicolon, and then `END`. So
/// the trigger ends at the semicolon after an `END` that follows a semicolon, which the `END` of a
/// `CASE` never does.
#[derive(Debug, Default)]
pub(super) struct Shape<'a> {
    before: Before<'a>,
    head: Head,
    /// Whether the last token was the trigger's own `END`.
    trigger_ended: bool,
    dot_command: Option<String>,
}

/// The kind of the statement, as far as its first words show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Start,
    Explain,
    Create,
    Trigger,
    Other,
}

impl<'a> Shape<'a> {
    pub(super) fn see(&mut self, seen: Seen<'a>) {
        self.trigger_ended = false;
        match seen {
            Seen::Word(word) => self.word(word),
            Seen::Symbol(_) | Seen::Value if self.head != Head::Trigger => self.head = Head::Other,
            Seen::Symbol(_) | Seen::Value => {}
        }
        self.before = Before::from(seen);
    }

    pub(super) fn can_end(&self) -> bool {
        self.head != Head::Trigger || self.trigger_ended
    }

    /// Recognizes a command that begins with a dot, which is no statement.
    pub(super) fn begins(&mut self, seen: Seen<'_>, rest: &str) {
        if matches!(seen, Seen::Symbol(b'.')) {
            self.dot_command = Some(postgres::command(&Scanner::new(rest)));
        }
    }

    pub(super) fn flaw(&self) -> Option<Flaw> {
        self.dot_command
            .as_ref()
            .map(|command| Flaw::ClientCommand {
                client: "sqlite3",
                command: command.clone(),
            })
    }

    fn word(&mut self, word: &str) {
        self.head = match self.head {
            Head::Start if is_one_of(word, &["EXPLAIN"]) => Head::Explain,
            Head::Explain if is_one_of(word, &["QUERY", "PLAN"]) => Head::Explain,
            Head::Start | Head::Explain if is_one_of(word, &["CREATE"]) => Head::Create,
            Head::Create if is_one_of(word, &["TEMP", "TEMPORARY"]) => Head::Create,
            Head::Create if is_one_of(word, &["TRIGGER"]) => Head::Trigger,
            Head::Trigger => {
                self.trigger_ended = is_one_of(word, &["END"]) && self.before.is_symbol(b';');
                Head::Trigger
            }
            Head::Start | Head::Explain | Head::Create | Head::Other => Head::Other,
        };
    }
}
