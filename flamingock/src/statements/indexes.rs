//! Indexes of PostgreSQL that a statement creates if they do not exist.

use super::context::is_one_of;
use super::lexer::Lexer;
use super::script::Statement;
use crate::util::database_kind::DatabaseKind;

/// An index that must exist after a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index<'a> {
    /// The name in the form of the catalog.
    pub(crate) name: String,
    /// The table as it is written, with its schema.
    pub(crate) table: &'a str,
}

/// Returns the index of
/// `CREATE [UNIQUE] INDEX [CONCURRENTLY] IF NOT EXISTS name ON [ONLY] table ..`.
pub(crate) fn made_if_absent<'a>(statement: &Statement<'a>) -> Option<Index<'a>> {
    let mut lexer = Lexer::of(DatabaseKind::Postgres, statement);
    let mut tokens = std::iter::from_fn(move || {
        let (_, text) = lexer.seen()?;
        let start = text.as_ptr().addr() - statement.text.as_ptr().addr();
        Some((start..start + text.len(), text))
    })
    .peekable();
    let mut skip = |words: &[&str]| tokens.next_if(|(_, text)| is_one_of(text, words)).is_some();
    let is_create = skip(&["CREATE"]);
    skip(&["UNIQUE"]);
    let is_index = is_create && skip(&["INDEX"]);
    skip(&["CONCURRENTLY"]);
    if !(is_index && skip(&["IF"]) && skip(&["NOT"]) && skip(&["EXISTS"])) {
        return None;
    }
    let (_, name) = tokens.next()?;
    tokens.next_if(|(_, text)| is_one_of(text, &["ON"]))?;
    tokens.next_if(|(_, text)| is_one_of(text, &["ONLY"]));
    let (first, _) = tokens.next()?;
    let mut end = first.end;
    while tokens.next_if(|(_, text)| *text == ".").is_some() {
        end = tokens.next()?.0.end;
    }
    Some(Index {
        name: folded(name),
        table: statement.text.get(first.start..end)?,
    })
}

/// Returns a name in the form of the catalog.
fn folded(name: &str) -> String {
    match name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::read;
    use crate::statements::script::Blocks;

    #[test]
    fn indexes_that_may_be_there_already_are_read() {
        for (text, expected) in [
            (
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS Once ON done (what)",
                Some(("once", "done")),
            ),
            (
                "create index /* a */ if not exists \"On\"\"ce\" on only app.\"Done\" using btree (what)",
                Some(("On\"ce", "app.\"Done\"")),
            ),
            ("CREATE INDEX once ON done (what)", None),
            ("CREATE TABLE IF NOT EXISTS once (on int)", None),
        ] {
            let read = read(DatabaseKind::Postgres, text, Blocks::None).unwrap();
            let found = made_if_absent(&read.statements[0]);
            let found = found.as_ref().map(|one| (&*one.name, one.table));
            assert_eq!(found, expected, "{text}");
        }
    }
}
