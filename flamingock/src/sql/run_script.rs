//! Running the SQL of a file on a connection.

use flamingock_sqlx_audit::{Conn, Progress};

use super::driver::{Driver, send};
use super::hint::hint;
use crate::change::argument::Session;
use crate::change::body::Answer;
use crate::change::script::Script;
use crate::change::secret::replaced;
use crate::statements;
use crate::statements::quotes::Quoting;
use crate::statements::{made_if_absent, shorten};
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

/// Runs a script on the connection of its change.
pub(crate) fn call<'a>(
    script: &'static Script,
    transaction: bool,
    session: Session<'a, '_>,
) -> Answer<'a, ()> {
    macro_rules! on {
        ($driver:ident, $connection:expr) => {{
            let connection = $connection;
            Box::pin(async move {
                if transaction {
                    run_whole::<flamingock_sqlx_audit::$driver>(connection, script).await
                } else {
                    run_statements::<flamingock_sqlx_audit::$driver>(connection, script, false)
                        .await
                }
            })
        }};
    }
    match session {
        Session::None(_) => Box::pin(async { Err("there is no connection for it".into()) }),
        #[cfg(feature = "sqlite")]
        Session::Sqlite(connection) => on!(Sqlite, connection),
        #[cfg(feature = "sqlite")]
        Session::SqliteTransaction(open) => on!(Sqlite, &mut **open),
        #[cfg(feature = "postgres")]
        Session::Postgres(connection) => on!(Postgres, connection),
        #[cfg(feature = "postgres")]
        Session::PostgresTransaction(open) => on!(Postgres, &mut **open),
        #[cfg(feature = "mysql")]
        Session::MySql(connection) => on!(MySql, connection),
        #[cfg(feature = "mysql")]
        Session::MySqlTransaction(open) => on!(MySql, &mut **open),
    }
}

/// Runs a script inside an open transaction, in one message if possible.
async fn run_whole<D: Driver>(
    connection: &mut Conn<D>,
    script: &'static Script,
) -> Result<(), BoxError> {
    let quoting = quoting::<D>(connection, script).await?;
    let read = script.read_as(D::KIND, quoting)?;
    // PostgreSQL parses a whole message before it runs the first statement.
    let is_read_ahead = D::KIND == DatabaseKind::Postgres
        && read.changes_quoting
        && !script.client.sends_whole_texts();
    if read.may_be_empty || is_read_ahead {
        return run_statements::<D>(connection, script, true).await;
    }
    for (piece, read) in pieces(script, read, D::MAX_SCRIPT_BYTES) {
        let progress = D::run(connection, D::as_message(&read, piece.text), "").await;
        if progress.error.is_some() {
            return Err(script_error::<D>(&piece, &read, progress, 0, 0));
        }
    }
    Ok(())
}

/// Returns the meaning of quotes in the session. Queries it only if the script depends on it.
pub(super) async fn quoting<D: Driver>(
    connection: &mut Conn<D>,
    script: &Script,
) -> Result<Quoting, sqlx::Error> {
    let question = D::QUOTING.filter(|_| script.depends_on_quoting(D::KIND));
    let Some(question) = question else {
        return Ok(Quoting::of(D::KIND));
    };
    let mut answer = send::<D>(connection, question.to_owned()).await?;
    let setting = answer.rows.first_mut().map(|row| row.text(0));
    Ok(setting.map_or(Quoting::of(D::KIND), |setting| {
        Quoting::by_setting(D::KIND, &setting)
    }))
}

/// Splits a script into pieces up to this number of bytes, unless one statement is longer.
fn pieces(
    script: &Script,
    read: statements::Script<'static>,
    longest: usize,
) -> Vec<(Script, statements::Script<'static>)> {
    if script.text.len() <= longest {
        return vec![(*script, read)];
    }
    let mut pieces = Vec::new();
    let mut rest = read.statements.as_slice();
    while let Some(first) = rest.first() {
        let fits = |one: &&statements::Statement<'_>| one.range.end - first.range.start <= longest;
        let number = rest.iter().take_while(fits).count().max(1);
        let (these, others) = rest.split_at(number);
        let last = these.last().unwrap_or(first);
        let mut statements = these.to_vec();
        for one in &mut statements {
            one.line -= first.line - 1;
            one.range = one.range.start - first.range.start..one.range.end - first.range.start;
        }
        let piece = Script {
            line: script.location(first.line).line,
            text: &script.text[first.range.start..last.range.end],
            ..*script
        };
        pieces.push((piece, statements::Script::of(statements)));
        rest = others;
    }
    pieces
}

/// Runs each statement by itself. Without a transaction, the work of earlier statements stays when
/// a later one fails.
async fn run_statements<D: Driver>(
    connection: &mut Conn<D>,
    script: &'static Script,
    transaction: bool,
) -> Result<(), BoxError> {
    let quoting = quoting::<D>(connection, script).await?;
    let read = script.read_as(D::KIND, quoting)?;
    for statement in &read.statements {
        if let Some(cause) = row_loss::<D>(connection, transaction, statement.text).await? {
            let place = script.location(statement.line);
            return Err(format!(
                "{place}: `{}` was not run: {cause}",
                shorten(statement.text)
            )
            .into());
        }
        let progress = D::run(connection, statement.text.to_owned(), "").await;
        if let Some(source) = progress.error {
            let place = D::position(&source)
                .and_then(|position| byte_of(statement.text, position))
                .map_or(statement.range.start, |byte| statement.range.start + byte);
            return Err(Box::new(ScriptError {
                place: script.location(line_of(script.text, place)).to_string(),
                statement: format!(": `{}` failed", shorten(statement.text)),
                source,
            }));
        }
    }
    if let Some(check) = D::check_after(&read) {
        let progress = D::run(connection, check, "").await;
        if let Some(source) = progress.error {
            let first = read
                .statements
                .iter()
                .find(|one| made_if_absent(one).is_some());
            return Err(Box::new(ScriptError {
                place: first.map_or_else(
                    || script.file.to_owned(),
                    |one| script.location(one.line).to_string(),
                ),
                statement: String::new(),
                source,
            }));
        }
    }
    Ok(())
}

/// Returns why a statement must not run outside a transaction: it would delete rows for good.
async fn row_loss<D: Driver>(
    connection: &mut Conn<D>,
    transaction: bool,
    statement: &str,
) -> Result<Option<BoxError>, sqlx::Error> {
    if transaction {
        return Ok(None);
    }
    D::row_loss(connection, statement).await
}

/// A statement of a file that the database rejected.
#[derive(Debug, thiserror::Error)]
#[error("{place}{statement}")]
struct ScriptError {
    /// The file, and the line if it is known.
    place: String,
    /// The beginning of the statement, if it is known.
    statement: String,
    #[source]
    source: sqlx::Error,
}

/// Returns the error of a message that failed, with the statement and its line. `statements_before`
/// and `characters_before` count what the message has in front of the script.
pub(super) fn script_error<D: Driver>(
    script: &Script,
    read: &statements::Script<'_>,
    progress: Progress,
    statements_before: usize,
    characters_before: usize,
) -> BoxError {
    let Some(source) = progress.error else {
        return "the database stopped without an error".into();
    };
    // An unfinished statement is reported at a position after it, possibly after the whole script.
    let end = read.statements.last().map_or(0, |last| last.range.end);
    let byte = D::position(&source)
        .and_then(|position| position.checked_sub(characters_before))
        .filter(|position| *position > 0)
        .map(|position| byte_of(script.text, position).unwrap_or(end));
    let by_place = byte.and_then(|byte| {
        let mut all = read.statements.iter();
        all.rfind(|statement| statement.range.start <= byte)
    });
    let answered = progress.answered.saturating_sub(statements_before);
    let by_count = read
        .statements
        .get(answered)
        .filter(|_| has_one_answer_each(D::KIND, &read.statements[..=answered]));
    let statement = by_place.or(by_count);
    let byte = byte.or_else(|| statement.map(|statement| statement.range.start));
    let hint = hint(&source, script.without_transaction);
    let hint = hint.map_or_else(String::new, |hint| format!(", and {hint}"));
    let place = match byte {
        Some(byte) => script.location(line_of(script.text, byte)).to_string(),
        None => script.file.to_owned(),
    };
    let appended = D::without_appended(&source, &D::as_message(read, script.text));
    let error: BoxError = Box::new(ScriptError {
        place,
        statement: match statement {
            Some(statement) => format!(": `{}` failed{hint}", shorten(statement.text)),
            None => format!(": it failed{hint}"),
        },
        source,
    });
    match appended {
        Some((said, meant)) => replaced(error, &said, &meant),
        None => error,
    }
}

/// Reports whether each statement has exactly one result. A routine of MySQL has any number of
/// them.
fn has_one_answer_each(kind: DatabaseKind, statements: &[statements::Statement<'_>]) -> bool {
    const SEVERAL_ANSWERS: [&str; 9] = [
        "CALL", "EXECUTE", "BEGIN", "IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR",
    ];
    let has_several_answers = |text: &str| {
        let word = text.split(|c: char| !c.is_ascii_alphabetic()).next();
        let word = word.unwrap_or_default().to_ascii_uppercase();
        SEVERAL_ANSWERS.contains(&word.as_str())
    };
    kind != DatabaseKind::MySql || !statements.iter().any(|one| has_several_answers(one.text))
}

/// Returns the byte offset of a character, counted from 1.
fn byte_of(text: &str, character: usize) -> Option<usize> {
    let (byte, _) = text.char_indices().nth(character.checked_sub(1)?)?;
    Some(byte)
}

/// Returns the line of a byte offset, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}
