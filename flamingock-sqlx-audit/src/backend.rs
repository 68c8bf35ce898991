//! One database: how its statements are sent and its answers read.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use sqlx::Database;

use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::template::Rendered;

/// A connection of a backend.
pub type Conn<B> = <<B as Backend>::Database as Database>::Connection;

/// One row of an answer: every column as text, as the database spells it.
#[derive(Clone, Debug)]
pub struct Row(pub(crate) Vec<Option<String>>);

impl Row {
    /// The text of a column; empty where it is NULL.
    pub fn text(&mut self, column: usize) -> String {
        self.optional(column).unwrap_or_default()
    }

    /// The text of a column that may be NULL. Takes it out of the row.
    pub fn optional(&mut self, column: usize) -> Option<String> {
        self.0.get_mut(column)?.take()
    }

    /// All columns; none for those that are NULL.
    pub fn columns(self) -> Vec<Option<String>> {
        self.0
    }

    /// The number of a column; none where it is NULL.
    ///
    /// # Errors
    /// A column that holds something else than a 64-bit integer.
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

/// What a statement, or a text of several, was answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// All rows.
    pub rows: Vec<Row>,
    /// How many rows were written, added up.
    pub affected: u64,
    /// The last generated key, where the protocol tells.
    pub last_insert_id: i64,
}

/// How far a text of the user's came.
#[derive(Debug, Default)]
pub struct Progress {
    /// How many statements were answered without an error.
    pub answered: usize,
    /// How many statements were answered since the last mark.
    pub since_mark: usize,
    /// The number in each row with one column of the mark's name that was among the answers.
    pub marks: Vec<i64>,
    /// What ended it before its end: what followed was not run.
    pub error: Option<sqlx::Error>,
}

/// What is done with each row of an answer.
pub type EachRow<'a> = dyn FnMut(Row) -> Result<(), sqlx::Error> + Send + 'a;

/// A database that the tables can live in.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The driver.
    type Database: Database;

    /// The texts.
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

    /// The same, row by row: an answer of many rows is never there as a whole.
    fn fetch_each(
        connection: &mut Conn<Self>,
        statement: Rendered,
        each: &mut EachRow<'_>,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send;

    /// Sends a text of the user's, and reads the answers to their end. Rows are let go, unlooked at;
    /// only those with a single column of the name `mark` are counted.
    fn run(
        connection: &mut Conn<Self>,
        text: String,
        mark: &str,
    ) -> impl Future<Output = Progress> + Send;

    /// Where in a text its error is, in characters counted from 1, where the database tells.
    fn position(_error: &sqlx::Error) -> Option<usize> {
        None
    }

    /// Runs statements that belong together and answers the rows of all of them. What may
    /// be there in part only is [`write_together`](Self::write_together)'s. `patience` bounds how
    /// long a busy commit is repeated.
    fn write(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send;

    /// The same, at a time when many may want to write: everybody who starts. Where the write lock is
    /// waited for, a row of `moot` says meanwhile that there is nothing to write any more, and the answer
    /// is empty.
    fn write_among_others(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        moot: Option<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        let _ = moot;
        Self::write(connection, statements, patience)
    }

    /// The same, all or none.
    fn write_together(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        Self::write(connection, statements, patience)
    }

    /// The same, and on disk when it is answered, even where the application lets the database
    /// commit lazily.
    fn write_durably(
        connection: &mut Conn<Self>,
        statements: Vec<Rendered>,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send {
        Self::write(connection, statements, patience)
    }

    /// Whether a statement that failed so may have undone the whole transaction with it.
    fn may_undo_all(_error: &sqlx::Error) -> bool {
        false
    }

    /// What repairs a counter that hands out numbers of rows that are taken, if that is what an error says.
    fn repair(_error: &sqlx::Error) -> Option<String> {
        None
    }

    /// What the database's own error means.
    fn classify_database_error(error: &dyn sqlx::error::DatabaseError) -> Failure;

    /// What an error means.
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

/// Reads a whole answer and keeps nothing of it, whatever the driver.
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

/// Reads every row and count of an answer, whatever the driver.
macro_rules! collect_answer {
    ($stream:expr, $each:expr, $result:ident => $last_insert_id:expr) => {{
        use futures_util::TryStreamExt;
        use sqlx::Row as _;
        let mut answer = $crate::backend::Answer::default();
        let mut stream = $stream;
        while let Some(item) = stream.try_next().await? {
            match item {
                sqlx::Either::Left($result) => {
                    answer.affected += $result.rows_affected();
                    let id: i64 = $last_insert_id;
                    if id != 0 {
                        answer.last_insert_id = id;
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
