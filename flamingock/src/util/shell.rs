//! Quoting words for a shell, so that suggested commands can be pasted.

use std::fmt::Write as _;

use super::visible::is_invisible;

/// Quotes a word for a POSIX shell. Characters that a terminal must not print become escapes such
/// as `$'\033'`.
pub(crate) fn quote(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./:=@%+,".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.chars().any(is_invisible) {
        escaped(word)
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Escapes bytes in octal, which every shell that supports `$'..'` reads in the same way.
fn escaped(word: &str) -> String {
    let mut text = "$'".to_owned();
    for character in word.chars() {
        match character {
            '\'' | '\\' => text.extend(['\\', character]),
            hidden if is_invisible(hidden) => {
                for byte in hidden.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\{byte:03o}");
                }
            }
            other => text.push(other),
        }
    }
    text + "'"
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_shell_takes_every_text_for_one_word() {
        for (text, expected) in [
            ("create-users", "create-users"),
            ("", "''"),
            ("ada's change; $HOME", r"'ada'\''s change; $HOME'"),
            ("a\u{1b}1'\\\n\u{202e}", r"$'a\0331\'\\\012\342\200\256'"),
        ] {
            assert_eq!(quote(text), expected);
        }
    }
}
