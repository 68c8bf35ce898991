//! The rule for names, which the engine has as well: neither of the two crates can import it from
//! the other.

/// The longest name, in characters: what fits into a MySQL index next to the service.
pub(crate) const LONGEST_NAME: usize = 190;

/// The mistake in a name, if any: names occur in tables, in logs, in commands and in the manifest.
/// `key` is the key with the name.
pub(crate) fn fault(key: &str, text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("cannot be empty")
    } else if text.trim() != text {
        Some("cannot begin or end with a blank")
    } else if text.chars().any(char::is_control) {
        Some("cannot contain control characters such as a line break")
    } else if text.chars().any(is_invisible) {
        Some("cannot contain invisible characters, such as a mark of direction")
    } else if !matches!(key, "stage" | "target") {
        None
    } else if text.starts_with('#') {
        Some("cannot begin with `#`, which begins a comment in the manifest")
    } else if text.contains('"') {
        Some("cannot contain `\"`, which the manifest keeps for ids")
    } else {
        None
    }
}

/// Whether a terminal acts on the character, or whether a reader does not see it.
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
