//! The tokens of MySQL and MariaDB.
//!
//! They follow "Comment Syntax" and "String Literals" in the manuals, and the order in which the
//! server tests them.

use super::delimiter::Delimiter;
use super::error::Flaw;
use super::postgres;
use super::quotes::Quoting;
use super::scanner::{Escapes, Scanner};
use super::token::Kind;
use crate::statements::scanner::is_in_word;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c')
}

/// Reads the token that begins here. A delimiter is recognized wherever its client recognizes it:
/// outside quotes and comments.
pub(super) fn token(
    scanner: &mut Scanner<'_>,
    quoting: Quoting,
    in_executable: bool,
    delimiter: Option<&Delimiter<'_>>,
) -> Result<Kind, Flaw> {
    if let Some(delimiter) = delimiter.filter(|_| !in_executable)
        && delimiter.is_at(scanner)
    {
        scanner.step(delimiter.len());
        return Ok(Kind::Delimiter);
    }
    match (scanner.peek(0), scanner.peek(1)) {
        (Some(byte), _) if is_blank(byte) => {
            scanner.skip_while(is_blank);
            Ok(Kind::Blank)
        }
        (Some(b'#'), _) => Ok(line_comment(scanner)),
        (Some(b'-'), Some(b'-')) if begins_comment(scanner.peek(2)) => Ok(line_comment(scanner)),
        (Some(b'*'), Some(b'/')) if in_executable => {
            scanner.step(2);
            Ok(Kind::ExecutableClose)
        }
        (Some(b'/'), Some(b'*')) => comment(scanner),
        (Some(b'"'), _) if quoting.double_quotes_name => {
            scanner.name(b'"', Escapes::Doubled)?;
            Ok(Kind::Value)
        }
        (Some(quote @ (b'\'' | b'"')), _) => {
            scanner.string(quote, Escapes::of(quoting))?;
            Ok(Kind::Value)
        }
        (Some(b'`'), _) => {
            scanner.name(b'`', Escapes::Doubled)?;
            Ok(Kind::Value)
        }
        // An old notation for NULL.
        (Some(b'\\'), Some(b'N')) => {
            scanner.step(2);
            Ok(Kind::Value)
        }
        (Some(b'\\'), _) => Err(Flaw::ClientCommand {
            client: "mysql",
            command: postgres::command(scanner),
        }),
        (Some(byte), _) if is_in_word(byte) => Ok(word(scanner, byte, delimiter)),
        (Some(byte), _) => {
            scanner.step(1);
            Ok(Kind::Symbol(byte))
        }
        (None, _) => Ok(Kind::Blank),
    }
}

/// Two minus signs begin a comment only before a blank or a control character: `5--1` is six.
fn begins_comment(next: Option<u8>) -> bool {
    next.is_none_or(|byte| byte == b' ' || byte.is_ascii_control())
}

fn line_comment(scanner: &mut Scanner<'_>) -> Kind {
    scanner.line_comment(|byte| byte == b'\n');
    Kind::Comment
}

/// A version that no server reaches, so that the comment is never executed. Dumps begin with
/// `/*M!999999\- ..*/`.
const NO_VERSION: usize = 999_999;

/// Reads a comment, which ends at the first `*/`. The content of an executable comment is read like
/// other text.
fn comment(scanner: &mut Scanner<'_>) -> Result<Kind, Flaw> {
    let prefix = match (scanner.peek(2), scanner.peek(3)) {
        (Some(b'!'), _) => 3,
        (Some(b'M'), Some(b'!')) => 4,
        (Some(b'+'), _) => {
            scanner.block_comment(false)?;
            return Ok(Kind::Hint);
        }
        _ => {
            scanner.block_comment(false)?;
            return Ok(Kind::Comment);
        }
    };
    let digits = scanner.rest().iter().skip(prefix);
    let version = digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |version: usize, digit| {
            version.saturating_mul(10) + usize::from(digit - b'0')
        });
    if version >= NO_VERSION {
        scanner.block_comment(true)?;
        return Ok(Kind::Comment);
    }
    scanner.step(prefix);
    // The first version that executes it.
    scanner.skip_while(|byte| byte.is_ascii_digit());
    Ok(Kind::ExecutableOpen)
}

/// Reads a word or a number. A delimiter such as `$$` ends it, although names can contain dollar
/// signs.
fn word(scanner: &mut Scanner<'_>, first: u8, delimiter: Option<&Delimiter<'_>>) -> Kind {
    match delimiter.filter(|delimiter| !delimiter.is_word()) {
        None => scanner.skip_while(is_in_word),
        Some(delimiter) => {
            while scanner.peek(0).is_some_and(is_in_word) && !delimiter.is_at(scanner) {
                scanner.step(1);
            }
        }
    }
    if first.is_ascii_digit() {
        Kind::Value
    } else {
        Kind::Word
    }
}
