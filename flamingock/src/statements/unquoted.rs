//! Finding characters outside quotes and comments, by the rules of every database.

use super::lexer::Lexer;
use super::quotes::Quoting;
use super::token::Kind;
use crate::util::database_kind::DatabaseKind;

/// Returns the first line, from 1, on which these characters are outside quotes and comments by the
/// rules of every database. The last of them must be a symbol. Text after something that is not
/// closed is ignored.
pub(crate) fn line_of_unquoted(text: &str, characters: &str) -> Option<usize> {
    if !text.contains(characters) {
        return None;
    }
    let kinds = [
        DatabaseKind::Postgres,
        DatabaseKind::MySql,
        DatabaseKind::Sqlite,
    ];
    let [first, others @ ..] = kinds.map(|kind| places(kind, text, characters));
    let place = first
        .into_iter()
        .find(|place| others.iter().all(|other| other.contains(place)))?;
    let before = text.bytes().take(place);
    Some(1 + before.filter(|byte| *byte == b'\n').count())
}

/// Returns the places where they end.
fn places(kind: DatabaseKind, text: &str, characters: &str) -> Vec<usize> {
    let mut lexer = Lexer::new(kind, text, Quoting::of(kind));
    let mut places = Vec::new();
    while let Ok(Some(token)) = lexer.next() {
        let is_symbol = matches!(token.kind, Kind::Symbol(_));
        let before = text.as_bytes().get(..token.end).unwrap_or_default();
        if is_symbol && before.ends_with(characters.as_bytes()) {
            places.push(token.end);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_in_quotes_or_comments_of_one_database_are_not_found() {
        for (text, expected) in [
            ("SELECT ${a}", Some(1)),
            ("SELECT 'a\n${a}',\n${b}", Some(3)),
            ("SELECT $$${a}$$", None),
            ("SELECT `${a}`", None),
            ("SELECT 'it\\'s ${a}'", None),
            ("# ${a}", None),
            ("-- é ${a}", None),
            ("SELECT 'a", None),
        ] {
            assert_eq!(line_of_unquoted(text, "${"), expected, "{text}");
        }
    }
}
