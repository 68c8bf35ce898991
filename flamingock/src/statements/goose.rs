//! goose's comments that mark the beginning and the end of a statement.

/// One of the two comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Begin,
    End,
}

/// Returns the marker in a line, if it is one.
pub(super) fn marker(line: &str) -> Option<Marker> {
    let mut words = line.trim().strip_prefix("--")?.split_whitespace();
    if !words.next()?.eq_ignore_ascii_case("+goose") {
        return None;
    }
    let word = words.next()?;
    if word.eq_ignore_ascii_case("StatementBegin") {
        Some(Marker::Begin)
    } else if word.eq_ignore_ascii_case("StatementEnd") {
        Some(Marker::End)
    } else {
        None
    }
}

/// Returns the end of the block that begins at `from`, and the end of the line with its end marker.
pub(super) fn block(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    for line in text.get(from..)?.split_inclusive('\n') {
        if marker(line) == Some(Marker::End) {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}
