//! The tokens of a statement, as text.

use super::lexer::Lexer;
use super::script::Statement;
use crate::util::database_kind::DatabaseKind;

/// Returns the content of a string whose meaning no setting of quotes changes.
pub(super) fn unquoted(token: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| {
        let inner = token.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(['\\', *quote])).then_some(inner)
    })
}

pub(super) fn tokens<'a>(kind: DatabaseKind, statement: &Statement<'a>) -> Vec<&'a str> {
    let mut lexer = Lexer::of(kind, statement);
    std::iter::from_fn(|| lexer.seen())
        .map(|(_, text)| text)
        .collect()
}
