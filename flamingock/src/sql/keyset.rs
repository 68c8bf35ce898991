//! The usual change in batches: all rows of one table, in the order of its key.

use async_trait::async_trait;
use flamingock_sqlx_audit::{identifier, text_literal};
use serde::{Deserialize, Serialize};

use super::driver::{Driver, send};
use super::keyset_sql::{Check, checks, column, compare, is_ambiguous, is_of_rows};
use crate::change::batch::{Batch, Next};
use crate::util::database_kind::DatabaseKind;

/// The rows of a table in the order of its key, for a change that works in [batches](Batch).
///
/// Each batch does the rows after the last key that was done. The last key of all is noted in the
/// first batch, so the change ends although rows are inserted meanwhile. Gaps between the keys cost
/// nothing.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # mod example {
/// use flamingock::{Batch, Key, Keyset, Next, change};
/// use sqlx::SqliteConnection;
///
/// /// Fills the new column with the lower-case address.
/// #[change(id = "lower-emails", order = "0007", batch, register = false)]
/// async fn lower_emails(
///     batch: Batch<Key>,
///     db: &mut SqliteConnection,
/// ) -> Result<Next<Key>, sqlx::Error> {
///     Keyset::table("users")
///         .key("id")
///         .execute("UPDATE users SET lower = lower(email) WHERE {range}", &batch, db)
///         .await
/// }
/// # }
/// ```
///
/// # Requirements
/// The key is the primary key, or columns with an index, none of them NULL. Rows with an equal key are
/// in the same batch. Whole numbers,
/// texts, UUIDs and times are fine. Values that a database cannot give back as they are, or sorts in
/// another way than it compares them, are refused: on MySQL and MariaDB `TIMESTAMP`, `ENUM`, `SET`,
/// fractions and binary columns. The statement must not change the key.
#[derive(Clone, Debug)]
pub struct Keyset {
    table: String,
    keys: Vec<String>,
    counts: bool,
    /// How many rows may fail; `None` if the first one makes the batch fail.
    max_failed_rows: Option<usize>,
}

/// The key of a row: the cursor of a change that uses a [`Keyset`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Vec<Value>);

/// The value of a column of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Int(i64),
    Text(String),
}

/// The rows of one batch: a condition for their keys.
#[derive(Clone, Debug)]
pub struct KeyRange {
    pub(super) condition: String,
    pub(super) next: Next<Key>,
}

impl KeyRange {
    /// Returns the SQL condition that is true for the rows of this batch.
    pub fn condition(&self) -> &str {
        &self.condition
    }

    /// Returns the value for the batch to return, after it has done this number of rows.
    pub fn done(self, rows: u64) -> Next<Key> {
        self.next.done_rows(rows)
    }
}

impl Keyset {
    /// Names the table, as `table` or `schema.table`.
    pub fn table(name: impl Into<String>) -> Keyset {
        Keyset {
            table: name.into(),
            keys: Vec::new(),
            counts: false,
            max_failed_rows: None,
        }
    }

    /// Adds a column of the key. For a key of several columns, call this for each in their order in
    /// the index.
    #[must_use]
    pub fn key(mut self, column: impl Into<String>) -> Keyset {
        self.keys.push(column.into());
        self
    }

    /// Counts the rows of the table in the first batch, so that the progress shows how much is left.
    #[must_use]
    pub fn count_rows(mut self) -> Keyset {
        self.counts = true;
        self
    }

    /// Goes on after rows that fail, such as one that violates a constraint, until more than this many
    /// have failed in all batches together. [`execute`](Self::execute) then does the rows of a batch
    /// that fails in halves, down to those that cannot be done, and [reports](Next::failed_row) these.
    /// Needs the transaction of the change, and tables with transactions.
    #[must_use]
    pub fn collect_failed_rows(mut self, max: usize) -> Keyset {
        self.max_failed_rows = Some(max);
        self
    }

    /// Does one batch with one statement, in which `{range}` stands for the condition on the rows of
    /// the batch: `UPDATE users SET active = true WHERE {range}`.
    ///
    /// # Errors
    /// A statement without `{range}`, a key without columns, a NULL in a key, and any error of the
    /// database.
    pub async fn execute<C: KeysetConnection>(
        &self,
        statement: &str,
        batch: &Batch<Key>,
        connection: &mut C,
    ) -> Result<Next<Key>, sqlx::Error> {
        if !statement.contains("{range}") {
            let rule = "the statement of a batch has the condition on its rows: `UPDATE users SET active = true WHERE {range}`";
            return Err(invalid(rule));
        }
        let Some(range) = self.range(batch, connection).await? else {
            return Ok(Next::finished());
        };
        let Some(max) = self.max_failed_rows else {
            let text = statement.replace("{range}", range.condition());
            let (_, rows) = connection.send(text).await?;
            return Ok(range.done(rows));
        };
        let next = self.collect(statement, batch, range, connection).await?;
        Ok(next.max_failed_rows(max))
    }

    pub(super) fn names<C: KeysetConnection>(&self, connection: &C) -> Vec<String> {
        self.keys.iter().map(|key| connection.name(key)).collect()
    }

    fn select_key<C: KeysetConnection>(&self, connection: &C) -> String {
        let names = self.names(connection);
        let columns: Vec<String> = names.iter().map(|name| connection.column(name)).collect();
        format!("SELECT {}", columns.join(", "))
    }

    fn quoted_table<C: KeysetConnection>(&self, connection: &C) -> String {
        let table = self.table.split('.').map(|part| connection.name(part));
        table.collect::<Vec<_>>().join(".")
    }

    /// Returns the beginning of a query for keys.
    pub(super) fn select<C: KeysetConnection>(&self, connection: &C) -> String {
        let table = self.quoted_table(connection);
        format!("{} FROM {table}", self.select_key(connection))
    }

    /// Returns the rows of this batch, for statements of your own; `None` if the table has none.
    /// Return [`KeyRange::done`] then.
    ///
    /// # Errors
    /// A key without columns, a NULL in a key, and any error of the database.
    pub async fn range<C: KeysetConnection>(
        &self,
        batch: &Batch<Key>,
        connection: &mut C,
    ) -> Result<Option<KeyRange>, sqlx::Error> {
        if self.keys.is_empty() {
            let rule =
                "a keyset needs the columns of its key: `Keyset::table(\"users\").key(\"id\")`";
            return Err(invalid(rule));
        }
        let (names, table) = (self.names(connection), self.quoted_table(connection));
        let select_key = self.select_key(connection);
        let select = self.select(connection);
        let again = batch.rows_to_retry().iter();
        let again: Vec<String> = again
            .map(|key| connection.compare(&names, "=", key))
            .collect();
        if !again.is_empty() {
            return Ok(Some(KeyRange {
                condition: format!("({})", again.join(" OR ")),
                next: Next::finished(),
            }));
        }
        let order = |direction: &str| {
            let columns = names.iter().map(|name| format!("{name}{direction}"));
            columns.collect::<Vec<_>>().join(", ")
        };
        let bound = match batch.bound() {
            Some(bound) => bound.clone(),
            None => {
                self.check(connection).await?;
                let last = format!("{select} ORDER BY {} LIMIT 1", order(" DESC"));
                match self.read(connection, last).await? {
                    Some(last) => last,
                    None => return Ok(None),
                }
            }
        };
        let upper = |key: &Key| connection.compare(&names, "<=", key);
        let lower = batch
            .cursor()
            .map(|after| connection.compare(&names, ">", after));
        let and = |upper: String| match &lower {
            Some(lower) => format!("({lower} AND {upper})"),
            None => format!("({upper})"),
        };
        // The bound is outside: with it, a planner without statistics would read all rows up to it.
        let after = lower.as_ref().map(|lower| format!(" WHERE {lower}"));
        let last = format!(
            "{select_key} FROM (SELECT {} FROM {table}{} ORDER BY {} LIMIT 1 OFFSET {}) AS flamingock_rows WHERE {}",
            names.join(", "),
            after.unwrap_or_default(),
            order(""),
            batch.size().max(1) - 1,
            upper(&bound)
        );
        let (conditions, all) = (last, and(upper(&bound)));
        let last = self.read(connection, conditions).await?;
        let total = match batch.bound() {
            None if self.counts => Some(count(connection, &table).await?),
            _ => None,
        };
        let mut range = match last.filter(|last| *last != bound) {
            Some(last) => KeyRange {
                condition: and(connection.compare(&names, "<=", &last)),
                next: Next::after(last).bound(bound),
            },
            None => KeyRange {
                condition: all,
                next: Next::finished().bound(bound),
            },
        };
        if let Some(total) = total {
            range.next = range.next.total_rows(total);
        }
        Ok(Some(range))
    }

    /// Fails if rows would be skipped without an error.
    async fn check<C: KeysetConnection>(&self, connection: &mut C) -> Result<(), sqlx::Error> {
        let table: Vec<&str> = self.table.split('.').collect();
        for column in &self.keys {
            for check in connection.checks(&table, column) {
                let (rows, _) = connection.send(check.query).await?;
                let answer = rows
                    .into_iter()
                    .next()
                    .and_then(|row| row.into_iter().next());
                if answer.flatten().as_deref() == Some("1") {
                    let (rule, table) = (check.rule, &self.table);
                    return Err(invalid(&format!(
                        "the column `{column}` of `{table}` {rule}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Reads one key.
    async fn read<C: KeysetConnection>(
        &self,
        connection: &mut C,
        text: String,
    ) -> Result<Option<Key>, sqlx::Error> {
        let (rows, _) = connection.send(text).await?;
        let row = rows.into_iter().next();
        row.map(|row| self.key_of(row)).transpose()
    }

    pub(super) fn key_of(&self, row: Vec<Option<String>>) -> Result<Key, sqlx::Error> {
        let values = row.into_iter().zip(&self.keys).map(|(value, column)| {
            let value = value.ok_or_else(|| {
                let table = &self.table;
                invalid(&format!("the column `{column}` of `{table}` has a value that is NULL, binary or a fraction: a keyset needs whole numbers, texts, UUIDs or times"))
            })?;
            // SQLite's columns have no fixed type: the number and the text are different keys.
            Ok(match value.strip_prefix("n:") {
                Some(number) => number.parse().map_or_else(|_| Value::Text(number.to_owned()), Value::Int),
                None => Value::Text(value.strip_prefix("t:").map_or(value.clone(), str::to_owned)),
            })
        });
        values.collect::<Result<_, sqlx::Error>>().map(Key)
    }
}

async fn count<C: KeysetConnection>(connection: &mut C, table: &str) -> Result<u64, sqlx::Error> {
    // A session may limit the rows of a query to none.
    let query = format!("SELECT count(*) FROM {table} LIMIT 1");
    let (rows, _) = connection.send(query).await?;
    let answer = rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next());
    let number = answer.flatten().and_then(|answer| answer.parse().ok());
    number.ok_or_else(|| invalid(&format!("the rows of {table} could not be counted")))
}

fn invalid(rule: &str) -> sqlx::Error {
    sqlx::Error::Configuration(rule.to_owned().into())
}

/// The rows of an answer, each column as text, and the number of rows that the statement changed.
type Sent = (Vec<Vec<Option<String>>>, u64);

/// A connection on which a [`Keyset`] works: that of a change.
#[async_trait]
pub trait KeysetConnection: sealed::Sealed + Send {
    #[doc(hidden)]
    async fn send(&mut self, text: String) -> Result<Sent, sqlx::Error>;

    /// Quotes a name.
    #[doc(hidden)]
    fn name(&self, name: &str) -> String;

    /// Returns the expression that reads a column of the key as text.
    #[doc(hidden)]
    fn column(&self, name: &str) -> String;

    /// Returns the condition that compares the key of a row with this one.
    #[doc(hidden)]
    fn compare(&self, names: &[String], operator: &str, key: &Key) -> String;

    /// Reports whether a statement failed because of the values in its rows.
    #[doc(hidden)]
    fn is_of_rows(&self, error: &sqlx::Error) -> bool;

    /// Reports whether a statement may also have failed because it is wrong.
    #[doc(hidden)]
    fn is_ambiguous(&self, error: &sqlx::Error) -> bool;

    /// Reports whether the way back to a savepoint left something behind: a table without
    /// transactions keeps what a statement did before it failed.
    #[doc(hidden)]
    async fn keeps_what_failed(&mut self) -> Result<bool, sqlx::Error>;

    /// Returns the queries that find out whether rows would be skipped because of this column.
    #[doc(hidden)]
    fn checks(&self, table: &[&str], column: &str) -> Vec<Check>;
}

mod sealed {
    /// Only the connections of the supported databases.
    pub trait Sealed {}
}

async fn sent<D: Driver>(
    connection: &mut flamingock_sqlx_audit::Conn<D>,
    text: String,
) -> Result<Sent, sqlx::Error> {
    let answer = send::<D>(connection, text).await?;
    let rows = answer
        .rows
        .into_iter()
        .map(flamingock_sqlx_audit::Row::columns);
    Ok((rows.collect(), answer.affected))
}

macro_rules! connections {
    ($($feature:literal, $connection:ty, $driver:ty;)+) => {$(
        #[cfg(feature = $feature)]
        impl sealed::Sealed for $connection {}

        #[cfg(feature = $feature)]
        #[async_trait]
        impl KeysetConnection for $connection {
            async fn send(&mut self, text: String) -> Result<Sent, sqlx::Error> {
                sent::<$driver>(self, text).await
            }

            fn name(&self, name: &str) -> String {
                match <$driver as Driver>::KIND {
                    // A name in double quotes that is none of a column would be a text to SQLite.
                    DatabaseKind::Sqlite => format!("`{}`", name.replace('`', "``")),
                    DatabaseKind::Postgres | DatabaseKind::MySql => identifier::<$driver>(name),
                }
            }

            fn column(&self, name: &str) -> String {
                column(<$driver as Driver>::KIND, name)
            }

            fn is_of_rows(&self, error: &sqlx::Error) -> bool {
                is_of_rows(<$driver as Driver>::KIND, error)
            }

            fn is_ambiguous(&self, error: &sqlx::Error) -> bool {
                is_ambiguous(<$driver as Driver>::KIND, error)
            }

            async fn keeps_what_failed(&mut self) -> Result<bool, sqlx::Error> {
                let DatabaseKind::MySql = <$driver as Driver>::KIND else {
                    return Ok(false);
                };
                let (warnings, _) = self.send("SHOW WARNINGS".to_owned()).await?;
                let code = |warning: &Vec<Option<String>>| warning.get(1).cloned().flatten();
                // ER_WARNING_NOT_COMPLETE_ROLLBACK
                Ok(warnings.iter().any(|warning| code(warning).as_deref() == Some("1196")))
            }

            fn checks(&self, table: &[&str], column: &str) -> Vec<Check> {
                let name = |name: &str| self.name(name);
                checks(<$driver as Driver>::KIND, table, column, &name, &text_literal::<$driver>)
            }

            fn compare(&self, names: &[String], operator: &str, key: &Key) -> String {
                let values = key.0.iter().map(|value| match value {
                    Value::Int(number) => number.to_string(),
                    Value::Text(text) => text_literal::<$driver>(text),
                });
                let values: Vec<String> = values.collect();
                compare(<$driver as Driver>::KIND, names, operator, &values)
            }
        }
    )+};
}

connections! {
    "sqlite", sqlx::SqliteConnection, flamingock_sqlx_audit::Sqlite;
    "postgres", sqlx::PgConnection, flamingock_sqlx_audit::Postgres;
    "mysql", sqlx::MySqlConnection, flamingock_sqlx_audit::MySql;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_written_as_a_list() {
        let key = Key(vec![Value::Int(7), Value::Text("7".to_owned())]);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, "[7,\"7\"]");
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
    }
}
