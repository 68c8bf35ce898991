//! Statements that begin or end a transaction.

use crate::statements::script::TransactionControl;
use crate::util::database_kind::DatabaseKind;

use super::context::{Seen, is_one_of};
use super::lexer::Lexer;
use super::mysql_blocks::STATEMENT_FOLLOWS;
use super::script::Statement;

/// The number of leading words that identify each of these statements.
const HEAD: usize = 4;

/// Returns how a statement begins or ends a transaction, if it does.
pub(super) fn of(kind: DatabaseKind, statement: &Statement<'_>) -> Option<TransactionControl> {
    let mut tokens = Tokens(Lexer::of(kind, statement));
    let mut head = Vec::with_capacity(HEAD);
    while head.len() < HEAD
        && let Some(Seen::Word(word)) = tokens.next()
    {
        head.push(word);
    }
    let what = match kind {
        DatabaseKind::Postgres => of_postgres(&head),
        DatabaseKind::MySql => of_mysql(&head, statement),
        DatabaseKind::Sqlite => of_sqlite(&head),
    }?;
    Some(TransactionControl {
        line: statement.line,
        what,
    })
}

/// Returns the key word of a statement before which the database commits the open transaction. Only
/// MySQL and MariaDB do so, because their DDL cannot be part of a transaction.
pub(crate) fn commits_by_itself(
    kind: DatabaseKind,
    statement: &Statement<'_>,
) -> Option<&'static str> {
    if kind != DatabaseKind::MySql {
        return None;
    }
    let mut head = Vec::with_capacity(HEAD);
    for seen in Tokens(Lexer::of(kind, statement)) {
        match seen {
            Seen::Word(word) if head.len() < HEAD => head.push(word),
            Seen::Word(_) | Seen::Value | Seen::Symbol(_) => break,
        }
    }
    let word = keyword(
        &head,
        &[
            "ALTER",
            "ANALYZE",
            "CREATE",
            "DROP",
            "FLUSH",
            "GRANT",
            "INSTALL",
            "OPTIMIZE",
            "RENAME",
            "REPAIR",
            "REVOKE",
            "TRUNCATE",
            "UNINSTALL",
        ],
    )?;
    // Temporary tables are not part of the schema.
    let is_temporary = head.iter().any(|word| is_one_of(word, &["TEMPORARY"]));
    (!is_temporary).then_some(word)
}

fn of_postgres(head: &[&str]) -> Option<&'static str> {
    let word = keyword(
        head,
        &[
            "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE",
        ],
    )?;
    match word {
        "START" => second_is(head, "TRANSACTION").then_some("START TRANSACTION"),
        "PREPARE" => second_is(head, "TRANSACTION").then_some("PREPARE TRANSACTION"),
        "ROLLBACK" => ends_whole(head).then_some(word),
        _ => Some(word),
    }
}

fn of_sqlite(head: &[&str]) -> Option<&'static str> {
    let word = keyword(head, &["BEGIN", "COMMIT", "END", "ROLLBACK"])?;
    (word != "ROLLBACK" || ends_whole(head)).then_some(word)
}

fn of_mysql(head: &[&str], statement: &Statement<'_>) -> Option<&'static str> {
    if begins_nameless_block(head) {
        return of_mysql_block(statement);
    }
    if let Some(word) = keyword(head, &["BEGIN", "XA"]) {
        return Some(word);
    }
    match keyword(head, &["SET"]) {
        Some(_) => sets_autocommit(statement).then_some("SET autocommit"),
        None => of_mysql_anywhere(head),
    }
}

/// Recognizes the statements that are also possible inside a block.
fn of_mysql_anywhere(head: &[&str]) -> Option<&'static str> {
    let word = keyword(head, &["START", "COMMIT", "ROLLBACK"])?;
    match word {
        "START" => second_is(head, "TRANSACTION").then_some("START TRANSACTION"),
        "ROLLBACK" => ends_whole(head).then_some(word),
        _ => Some(word),
    }
}

/// Recognizes a block outside a routine, which MariaDB runs at once.
fn begins_nameless_block(head: &[&str]) -> bool {
    let begin = keyword(head, &["BEGIN"]).is_some() && second_is(head, "NOT");
    begin || keyword(head, &["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"]).is_some()
}

/// Returns the first statement inside a block that begins or ends a transaction.
fn of_mysql_block(statement: &Statement<'_>) -> Option<&'static str> {
    let mut head = Vec::with_capacity(HEAD);
    let mut is_in_head = false;
    for seen in Tokens(Lexer::of(DatabaseKind::MySql, statement)) {
        match seen {
            Seen::Word(word) if is_in_head && head.len() < HEAD => head.push(word),
            Seen::Word(_) | Seen::Value | Seen::Symbol(_) => is_in_head = false,
        }
        let begins = match seen {
            Seen::Symbol(symbol) => symbol == b';',
            Seen::Word(word) => is_one_of(word, STATEMENT_FOLLOWS),
            Seen::Value => false,
        };
        if (begins || !is_in_head)
            && let Some(what) = of_mysql_anywhere(&head)
        {
            return Some(what);
        }
        if begins {
            is_in_head = true;
        }
        if begins || !is_in_head {
            head.clear();
        }
    }
    of_mysql_anywhere(&head)
}

/// Returns the first word of the statement, if it is one of these.
fn keyword(head: &[&str], words: &[&'static str]) -> Option<&'static str> {
    let first = head.first()?;
    words
        .iter()
        .copied()
        .find(|word| first.eq_ignore_ascii_case(word))
}

fn second_is(head: &[&str], word: &str) -> bool {
    head.get(1).is_some_and(|second| is_one_of(second, &[word]))
}

/// Reports whether a `ROLLBACK` ends the transaction, and does not only return to a savepoint.
fn ends_whole(head: &[&str]) -> bool {
    !head.iter().any(|word| is_one_of(word, &["TO"]))
}

/// Recognizes `SET autocommit = ..` in all its forms for the session. A user variable of that name,
/// the server's default, and reading the setting do not count.
fn sets_autocommit(statement: &Statement<'_>) -> bool {
    let mut before = [None, None];
    let mut candidate = false;
    for seen in Tokens(Lexer::of(DatabaseKind::MySql, statement)) {
        if candidate && matches!(seen, Seen::Symbol(b'=' | b':')) {
            return true;
        }
        candidate = matches!(seen, Seen::Word(word) if is_one_of(word, &["autocommit"]))
            && is_assigned_in_session(before);
        before = [before[1], Some(seen)];
    }
    false
}

/// Recognizes the tokens before the name in `SET autocommit`, `SET SESSION autocommit`,
/// `SET @@session.autocommit`, `SET @@autocommit` and after a comma.
fn is_assigned_in_session(before: [Option<Seen<'_>>; 2]) -> bool {
    match before {
        [_, Some(Seen::Word(word))] => is_one_of(word, &["SET", "SESSION", "LOCAL"]),
        [_, Some(Seen::Symbol(b','))] => true,
        [Some(Seen::Symbol(b'@')), Some(Seen::Symbol(b'@'))] => true,
        [Some(Seen::Word(word)), Some(Seen::Symbol(b'.'))] => {
            is_one_of(word, &["SESSION", "LOCAL"])
        }
        [_, Some(Seen::Symbol(_) | Seen::Value) | None] => false,
    }
}

/// The significant tokens of a statement that was split before.
pub(super) struct Tokens<'a>(pub(super) Lexer<'a>);

impl<'a> Iterator for Tokens<'a> {
    type Item = Seen<'a>;

    fn next(&mut self) -> Option<Seen<'a>> {
        self.0.seen().map(|(seen, _)| seen)
    }
}
