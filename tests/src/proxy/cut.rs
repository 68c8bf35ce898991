//! The moment at which a connection is cut.

/// The length of the end of the sent bytes that is kept, for a text that arrives in two pieces.
const LONGEST_TEXT: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the server has received the text.
    Before,
    /// When the server has answered it.
    After,
    /// When the server has answered it, unnoticed by the client: the connection stays.
    Hold,
}

/// A cut that waits for its text.
#[derive(Debug)]
pub(super) struct Rule {
    moment: Moment,
    text: Vec<u8>,
    left: usize,
}

impl Rule {
    pub(super) fn new(moment: Moment, text: &str, nth: usize) -> Self {
        assert!(nth > 0, "the first occurrence is number 1");
        assert!(
            (1..=LONGEST_TEXT).contains(&text.len()),
            "a text of 1 to {LONGEST_TEXT} bytes"
        );
        Self {
            moment,
            text: text.to_ascii_lowercase().into_bytes(),
            left: nth,
        }
    }

    /// The action for the connection on which `chunk` was sent after `before`, if it is due.
    pub(super) fn applies(&mut self, before: &Tail, chunk: &[u8]) -> Option<Moment> {
        let found = before.occurrences(chunk, &self.text);
        let is_due = found >= self.left;
        self.left = self.left.saturating_sub(found);
        is_due.then_some(self.moment)
    }
}

/// The end of what one client sent, in lower case.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// The number of times that `text` ends in `chunk`.
    fn occurrences(&self, chunk: &[u8], text: &[u8]) -> usize {
        let kept = self.0.len().min(text.len() - 1);
        let mut sent = self.0[self.0.len() - kept..].to_vec();
        sent.extend(chunk.to_ascii_lowercase());
        occurrences(&sent, text)
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.0.extend(chunk.to_ascii_lowercase());
        self.0.drain(..self.0.len().saturating_sub(LONGEST_TEXT));
    }
}

/// The number of times that a text of at least one byte occurs in `sent`.
pub(super) fn occurrences(sent: &[u8], text: &[u8]) -> usize {
    sent.windows(text.len())
        .filter(|window| *window == text)
        .count()
}

#[cfg(test)]
mod tests {
    use super::{Moment, Rule, Tail};

    #[test]
    fn text_in_two_pieces_is_found_once() {
        let mut rule = Rule::new(Moment::Before, "COMMIT", 2);
        let mut tail = Tail::default();
        for (chunk, expected) in [
            ("begin; commit; com", None),
            ("mi", None),
            ("T; rollback", Some(Moment::Before)),
        ] {
            assert_eq!(rule.applies(&tail, chunk.as_bytes()), expected, "{chunk}");
            tail.push(chunk.as_bytes());
        }
    }
}
