//! A text with everything that a terminal interprets, and checks of what a command prints.

/// Colors, an overwritten line, the clipboard, additional lines, text that runs backwards, and
/// invisible characters.
pub(super) const HOSTILE: &str = "x\u{1b}[31m\u{1b}[2K\u{1b}]52;c;aGFja2Vk\u{7}\r\nerror: forged\n  forged\u{8}\u{7f}\u{9b}1m\u{85}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{e0041}'\"$(id)`";

/// Whether a terminal interprets the character, or a reader cannot see it.
fn is_hostile(character: char) -> bool {
    let hidden = "\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{feff}\u{ad}\u{180e}";
    character.is_control()
        || hidden.contains(character)
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2060}'..='\u{206f}').contains(&character)
        || ('\u{e0000}'..='\u{e007f}').contains(&character)
}

/// Fails for a control character other than the line ends of the program.
pub(super) fn check_characters(what: &str, text: &str) {
    let hostile = text
        .char_indices()
        .find(|(_, one)| is_hostile(*one) && *one != '\n');
    assert!(hostile.is_none(), "{what}: {hostile:?} in {text:?}");
}

/// The same, and for a line that the program did not print.
pub(super) fn check_text(what: &str, text: &str) {
    check_characters(what, text);
    let forged = text.lines().find(|line| {
        let line = line.trim_start();
        line.starts_with("forged") || line.starts_with("error: forged")
    });
    assert!(forged.is_none(), "{what}: {forged:?} in\n{text}");
}

/// The text without color sequences, which the program prints.
pub(super) fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    for (place, part) in text.split("\u{1b}[").enumerate() {
        let rest = part.split_once('m').filter(|(code, _)| {
            place > 0 && code.chars().all(|one| one.is_ascii_digit() || one == ';')
        });
        match rest {
            Some((_, rest)) => plain.push_str(rest),
            None if place > 0 => {
                plain.push_str("\u{1b}[");
                plain.push_str(part);
            }
            None => plain.push_str(part),
        }
    }
    plain
}
