//! The spellings of a secret in a text: as it is, or as another program encoded it.
//!
//! A database quotes a value in its error, a client prints the URL or the JSON that it has sent, a
//! server repeats a header. Each character is looked for in every usual spelling, so that spellings
//! can be mixed and nested. Encodings of several characters at once, such as base64, are looked for
//! as a whole.

mod blocks;
mod character;

use self::blocks::blocks;
use self::character::{line_break, spelled};

/// The minimum length in characters of a value that is looked for across line breaks. A shorter one
/// would be found in any text.
const SHORTEST_ACROSS_LINES: usize = 6;
/// The minimum length in bytes of a value that is looked for in encodings. A shorter one would be
/// found by chance.
const SHORTEST_ENCODED: usize = 4;
/// The minimum length in characters of a part of a value that is looked for by itself.
const SHORTEST_PART: usize = 8;

/// A sequence of characters to look for.
#[derive(Debug)]
pub(super) struct Pattern {
    characters: Vec<char>,
    /// Whether the letters around it also encode a part of the value, together with its
    /// surroundings.
    is_block: bool,
}

/// The place of a value in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Pattern {
    fn of(text: &str) -> Pattern {
        Pattern {
            characters: text.replace("\r\n", "\n").chars().collect(),
            is_block: false,
        }
    }

    /// Returns everything that would show this value, the longest first.
    pub(super) fn all_of(value: &str) -> Vec<Pattern> {
        let mut texts = vec![value.to_owned()];
        let mut add = |text: &str| {
            if !text.is_empty() && !texts.iter().any(|known| known == text) {
                texts.push(text.to_owned());
            }
        };
        // A file of secrets ends with a line break, which its reader may have kept.
        add(value.trim());
        for line in value.lines().map(str::trim) {
            if line.chars().count() >= SHORTEST_PART && !line.starts_with("-----") {
                add(line);
            }
        }
        if let Some(password) = password_of(value) {
            add(password);
            add(&percent_decoded(password));
        }
        let mut patterns: Vec<Pattern> = texts.iter().map(|text| Pattern::of(text)).collect();
        for text in texts.iter().filter(|text| text.len() >= SHORTEST_ENCODED) {
            patterns.extend(blocks(text.as_bytes()).into_iter().map(|block| Pattern {
                characters: block.text.chars().collect(),
                is_block: block.is_part,
            }));
        }
        patterns.retain(|pattern| !pattern.characters.is_empty());
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.characters.len()));
        patterns
    }

    /// Returns the place of the value if it begins at `at`. Only the text after `from` may be
    /// replaced.
    pub(super) fn place(&self, text: &str, at: usize, from: usize) -> Option<Place> {
        let end = self.end(text, at)?;
        let place = Place { start: at, end };
        Some(if self.is_block {
            widened(text, place, from)
        } else {
            place
        })
    }

    /// Returns the end of the longest spelling that begins at `at`. The text may end inside a
    /// value, so most of the value is enough.
    fn end(&self, text: &str, at: usize) -> Option<usize> {
        let first = *self.characters.first()?;
        let begins = text.as_bytes().get(at).is_some_and(|&byte| {
            let mut buffer = [0; 4];
            first.encode_utf8(&mut buffer);
            byte == buffer[0] || b"\\%&+='\"`$\r".contains(&byte)
        });
        if !begins {
            return None;
        }
        let across_lines = self.characters.len() >= SHORTEST_ACROSS_LINES;
        let mut places = vec![at];
        for (index, character) in self.characters.iter().enumerate() {
            let mut next = Vec::new();
            for &place in &places {
                spelled(text, place, *character, &mut next);
                if across_lines
                    && index > 0
                    && let Some(behind) = line_break(text, place)
                {
                    spelled(text, behind, *character, &mut next);
                }
            }
            if next.is_empty() {
                let enough = SHORTEST_PART.max(self.characters.len().div_ceil(4) * 3);
                return (index >= enough)
                    .then(|| places.into_iter().max())
                    .flatten();
            }
            next.sort_unstable();
            next.dedup();
            places = next;
        }
        places.into_iter().max()
    }
}

/// Extends the place to the whole run of letters around it, as far as that may be replaced.
fn widened(text: &str, place: Place, from: usize) -> Place {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let bytes = text.as_bytes();
    let before = bytes[from..place.start]
        .iter()
        .rev()
        .take_while(|byte| is_letter(byte));
    let behind = bytes[place.end..].iter().take_while(|byte| is_letter(byte));
    Place {
        start: place.start - before.count(),
        end: place.end + behind.count(),
    }
}

/// Returns the password of a URL, which errors can show without the rest.
fn password_of(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    (password.len() >= SHORTEST_ENCODED).then_some(password)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
