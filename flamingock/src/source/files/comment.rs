//! Recognizing SQL comments.

/// Returns the text of a line that is a comment.
pub(super) fn comment(line: &str) -> Option<&str> {
    let rest = ["--", "#", "/*", "//"]
        .iter()
        .find_map(|begin| line.strip_prefix(begin))?;
    Some(rest.trim_start_matches(['-', '#', '*', '/', ' ', '\t']))
}
