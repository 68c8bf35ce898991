//! The token before another one in a statement.

/// A significant token of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    Word(&'a str),
    Symbol(u8),
    Value,
}

/// The token before the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before<'a>(Option<Seen<'a>>);

impl<'a> From<Seen<'a>> for Before<'a> {
    fn from(seen: Seen<'a>) -> Self {
        Before(Some(seen))
    }
}

impl<'a> Before<'a> {
    pub(super) fn seen(self) -> Option<Seen<'a>> {
        self.0
    }

    pub(super) fn is_symbol(self, symbol: u8) -> bool {
        self.0 == Some(Seen::Symbol(symbol))
    }

    pub(super) fn is_word(self, word: &str) -> bool {
        self.is_word_of(&[word])
    }

    pub(super) fn is_word_of(self, words: &[&str]) -> bool {
        matches!(self.0, Some(Seen::Word(word)) if is_one_of(word, words))
    }
}

/// Reports whether a word is one of these key words, in any case.
pub(super) fn is_one_of(word: &str, keywords: &[&str]) -> bool {
    keywords
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}
