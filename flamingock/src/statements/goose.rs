//! The comments by which goose is told where a statement begins and ends.

/// The two comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Begin,
    End,
}

/// The marker that a line is, if it is one.
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

/// A block's text, which begins at a byte, and where the line of its end marker ends.
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
