//! SQL as text, with answers as text: one call for every database.
//!
//! Everything uses the simple protocol, so that a scenario needs no database type to read its
//! results.

use std::future::Future;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{AssertSqlSafe, Connection, Database, Executor, Pool, Row, ValueRef};

/// A database that answers SQL text with rows of text.
pub trait PlainSql: Database {
    /// Runs one or more statements and returns every row: its columns as text, joined by `|`, with
    /// `NULL` for null.
    fn rows(
        connection: &mut Self::Connection,
        sql: &str,
    ) -> impl Future<Output = Result<Vec<String>, sqlx::Error>> + Send;
}

// Every scenario would have to repeat the bounds of one generic implementation; three
// implementations keep them in one place.
macro_rules! plain_sql {
    ($($database:ty),+) => {$(
        impl PlainSql for $database {
            async fn rows(
                connection: &mut Self::Connection,
                sql: &str,
            ) -> Result<Vec<String>, sqlx::Error> {
                let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
                rows.iter()
                    .map(|row| {
                        let columns: Result<Vec<String>, sqlx::Error> = (0..row.len())
                            .map(|column| match row.try_get_raw(column)?.is_null() {
                                true => Ok("NULL".to_owned()),
                                false => row.try_get_unchecked::<String, _>(column),
                            })
                            .collect();
                        Ok(columns?.join("|"))
                    })
                    .collect()
            }
        }
    )+};
}

plain_sql!(sqlx::Sqlite, sqlx::Postgres, sqlx::MySql);

async fn rows<D: PlainSql>(pool: &Pool<D>, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut connection: PoolConnection<D> = pool.acquire().await?;
    D::rows(&mut connection, sql).await
}

/// Connects, runs the text, disconnects, and returns the rows like [`PlainSql::rows`].
///
/// # Errors
///
/// Fails if the server can't be reached or refuses the text.
pub async fn once<D: PlainSql>(url: &str, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = D::Connection::connect(url).await?;
    let rows = D::rows(&mut connection, sql).await?;
    connection.close().await?;
    Ok(rows)
}

/// Runs one or more statements.
///
/// # Errors
///
/// Fails if the database refuses one of them, or there is no connection.
pub async fn try_execute<D: PlainSql>(pool: &Pool<D>, sql: &str) -> Result<(), sqlx::Error> {
    rows(pool, sql).await.map(drop)
}

/// Runs one or more statements that must succeed.
///
/// # Panics
///
/// Panics if the database refuses one of them.
pub async fn execute<D: PlainSql>(pool: &Pool<D>, sql: &str) {
    if let Err(error) = try_execute(pool, sql).await {
        panic!("{sql}\n{error}");
    }
}

/// Every row as text: its columns joined by `|`, with `NULL` for null.
///
/// # Panics
///
/// Panics if the database refuses the text.
pub async fn strings<D: PlainSql>(pool: &Pool<D>, sql: &str) -> Vec<String> {
    match rows(pool, sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}\n{error}"),
    }
}

/// The number that a `SELECT count(*) ..` returns.
///
/// # Panics
///
/// Panics if the answer is not one row with one whole number.
pub async fn count<D: PlainSql>(pool: &Pool<D>, sql: &str) -> i64 {
    let rows = strings(pool, sql).await;
    match rows.as_slice() {
        [number] => number
            .parse()
            .unwrap_or_else(|_| panic!("{sql}\nnot a number: {number}")),
        rows => panic!("{sql}\nanswered {} rows, not one", rows.len()),
    }
}

/// The same on the connection of a change.
///
/// # Errors
///
/// Fails if the database refuses one of the statements.
pub async fn query<C>(connection: &mut C, sql: &str) -> Result<Vec<String>, sqlx::Error>
where
    C: Connection,
    C::Database: PlainSql<Connection = C>,
{
    <C::Database as PlainSql>::rows(connection, sql).await
}

/// The audit of all services, one line per entry: id, attempt, state and transaction mode.
///
/// Without the fencing checks that MariaDB commits with every change in a transaction, because the
/// next entry of the attempt contains the same information.
///
/// # Panics
///
/// Panics if there is no audit.
pub async fn audit<D: PlainSql>(pool: &Pool<D>) -> Vec<String> {
    let rows =
        "SELECT change_id, attempt, state, transaction_mode FROM flamingock_audit ORDER BY seq";
    let lines = strings(pool, rows).await;
    let is_fencing_check = |line: &str| D::NAME == "MySQL" && line.ends_with(" STARTED shared");
    lines
        .iter()
        .map(|line| line.replace('|', " "))
        .filter(|line| !is_fencing_check(line))
        .collect()
}

/// These options, and each session runs this text first.
pub fn with_hook<D: PlainSql>(options: PoolOptions<D>, text: &str) -> PoolOptions<D> {
    let text = text.to_owned();
    options.after_connect(move |connection, _| {
        let text = text.clone();
        Box::pin(async move { D::rows(connection, &text).await.map(drop) })
    })
}

/// A pool on a database with a table `done (what)`, in which changes leave their traces.
pub async fn with_table<B: crate::Backend>(
    database: &crate::TestDatabase<B>,
    max_connections: u32,
) -> Pool<B::Db> {
    let pool = database.pool(max_connections).await;
    execute(&pool, "CREATE TABLE done (what VARCHAR(200))").await;
    pool
}

/// The traces of changes in `done`.
///
/// # Panics
///
/// Panics if the table does not exist.
pub async fn done<D: PlainSql>(pool: &Pool<D>) -> Vec<String> {
    strings(pool, "SELECT what FROM done ORDER BY what").await
}
