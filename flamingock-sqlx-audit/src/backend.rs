//! The interface of one database: how its statements are sent, and how its answers are read.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use sqlx::Database;

use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::names::quoted;
use crate::template::Rendered;
use crate::template::{Values, quoted_text};

/// A connection of a backend.
pub type Conn<B> = <<B as Backend>::Database as Database>::Connection;

/// Returns a text as a literal.
pub fn text_literal<B: Backend>(text: &str) -> String {
    match B::DIALECT.values {
        Values::Literal(encode) => encode(text),
        Values::Bound => quoted_text(text),
    }
}

/// Quotes a name.
pub fn identifier<B: Backend>(name: &str) -> String {
    quoted(name, B::DIALECT.quote)
}

/// One row of an answer, with every column as text in the form of the database.
#[derive(Clone, Debug)]
pub struct Row(pub(crate) Vec<Option<String>>);

impl Row {
    /// Returns the text of a column; empty for NULL.
    pub fn text(&mut self, column: usize) -> String {
        self.optional(column).unwrap_or_default()
    }

    /// Takes the text of a column out of the row; `None` for NULL.
    pub fn optional(&mut self, column: usize) -> Option<String> {
        self.0.get_mut(column)?.take()
    }

    /// Returns all columns; `None` for those that are NULL.
    pub fn columns(self) -> Vec<Option<String>> {
        self.0
    }

    /// Returns the number in a column; `None` for NULL.
    ///
    /// # Errors
    /// The column holds something other than a 64-bit integer.
    pub fn int(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        let Some(text) = self.0.get(column).and_then(Option::as_deref) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(
                |source: std::num::ParseIntError| sqlx::Error::ColumnDecode {
                    index: column.to_string(),
                    source: Box::new(source),
                },
            )
    }
}

/// The answer to a statement, or to a message with several statements.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// All rows.
    pub rows: Vec<Row>,
    /// The total number of rows written.
    pub affected: u64,
    /// The first generated key, if the protocol reports it: 0 without one.
    pub insert_id: i64,
}

/// How far a message of the user was executed.
#[derive(Debug, Default)]
pub struct Progress {
    /// How many statements succeeded.
    pub answered: usize,
    /// How many statements succeeded since the last mark.
    pub since_mark: usize,
    /// The numbers of the marks in the answers: rows with one column of the mark's name.
    pub marks: Vec<i64>,
    /// The error that ended the message early. The statements after it did not run.
    pub error: Option<sqlx::Error>,
}

/// The function that processes each row of an answer.
pub type EachRow<'a> = dyn FnMut(Row) -> Result<(), sqlx::Error> + Send + 'a;

/// A database in which the tables can be.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The driver of sqlx.
    type Database: Database;

    /// The SQL of the database.
    const DIALECT: &'static Dialect;

    /// Sends a statement and reads its whole answer.
    fn fetch(
        connection: &mut Conn<Self>,
        statement: Rendered,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        async move {
            let mut rows = Vec::new();
            let mut keep = |row| {
                rows.push(row);
                Ok(())
            };
            let answer = Self::fetch_each(connection, statement, &mut keep).await?;
            Ok(Answer { rows, ..answer })
        }
    }

    /// Sends a statement and processes its answer row by row, so that a long answer is never in
    /// memory as a whole.
    fn fetch_each(
        connection: &mut Conn<Self>,
        statement: Rendered,
        each: &mut EachRow<'_>,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send;

    /// Sends a message of the user, and reads the answers to their end. Discards all rows, and only
    /// records those with a single column of the name `mark`.
    fn run(
        connection: &mut Conn<Self>,
        text: String,
        mark: &str,
    ) -> impl Future<Output = Progress> + Send;

    /// Returns the place of an error in a message, in characters from 1, if the database reports
    /// it.
    fn position(_error: &sqlx::Error) -> Option<usize> {
        None
    }

    /// Runs statements that belong together, and returns the rows of all of them. Use
    /// [`write_together`](Self::write_together) if a part of them must not be written alone.
    /// `patience` limits how long a busy commit is repeated.
    fn write(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send;

    /// Does the same when many processes may want to write, because all of them have just started.
    /// Returns an empty answer if `moot` returns a row while this waits for the write lock, because
    /// then there is nothing left to write.
    fn write_among_others(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        moot: Option<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        let _ = moot;
        Self::write(connection, statements, patience)
    }

    /// Writes all statements or none.
    fn write_together(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        Self::write(connection, statements, patience)
    }

    /// Writes all statements durably: they are on disk when this returns, even if the application
    /// lets the database commit lazily.
    fn write_durably(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        Self::write(connection, statements, patience)
    }

    /// Reports whether a statement with this error may have rolled back the whole transaction.
    fn may_undo_all(_error: &sqlx::Error) -> bool {
        false
    }

    /// Returns how to repair a sequence that returns numbers which are in use already, if that is
    /// the error.
    fn repair(_error: &sqlx::Error) -> Option<String> {
        None
    }

    /// Classifies an error of the database itself.
    fn classify_database_error(error: &dyn sqlx::error::DatabaseError) -> Failure;

    /// Classifies an error.
    fn classify(error: &sqlx::Error) -> Failure {
        match error {
            sqlx::Error::Database(error) => Self::classify_database_error(&**error),
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed => Failure::Disconnected,
            _ => Failure::Other,
        }
    }
}

/// Reads an answer to its end and discards its rows, with any driver.
macro_rules! run_to_its_end {
    ($stream:expr, $mark:expr) => {{
        use futures_util::StreamExt;
        use sqlx::{Column as _, Row as _};
        let mut progress = $crate::backend::Progress::default();
        let mut stream = $stream;
        let mut is_mark = false;
        while let Some(item) = stream.next().await {
            match item {
                Ok(sqlx::Either::Left(_)) => {
                    progress.answered += 1;
                    progress.since_mark = if is_mark { 0 } else { progress.since_mark + 1 };
                    is_mark = false;
                }
                Ok(sqlx::Either::Right(row)) => {
                    let columns = row.columns();
                    if columns.len() == 1 && columns[0].name() == $mark {
                        let number = row.try_get_unchecked::<i64, _>(0);
                        progress.marks.push(number.unwrap_or_default());
                        is_mark = true;
                    }
                }
                Err(error) => {
                    progress.error = Some(error);
                    break;
                }
            }
        }
        progress
    }};
}
pub(crate) use run_to_its_end;

/// Reads every row and count of an answer, with any driver.
macro_rules! collect_answer {
    ($stream:expr, $each:expr, $result:ident => $insert_id:expr) => {{
        use futures_util::TryStreamExt;
        use sqlx::Row as _;
        let mut answer = $crate::backend::Answer::default();
        let mut stream = $stream;
        while let Some(item) = stream.try_next().await? {
            match item {
                sqlx::Either::Left($result) => {
                    answer.affected += $result.rows_affected();
                    if answer.insert_id == 0 {
                        answer.insert_id = $insert_id;
                    }
                }
                sqlx::Either::Right(row) => {
                    let columns = (0..row.len())
                        .map(|column| row.try_get_unchecked::<Option<String>, _>(column))
                        .collect::<Result<Vec<_>, _>>()?;
                    $each($crate::backend::Row(columns))?;
                }
            }
        }
        Ok(answer)
    }};
}
pub(crate) use collect_answer;
