//! The rows of a [`Keyset`] that fail, while the others are done.

use super::keyset::{Key, KeyRange, Keyset, KeysetConnection};
use crate::change::batch::{Batch, Next};
use crate::util::database_kind::DatabaseKind;

impl Keyset {
    /// Does the rows of a batch one by one, and notes those that fail.
    pub(super) async fn one_by_one<C: KeysetConnection>(
        &self,
        statement: &str,
        batch: &Batch<Key>,
        range: KeyRange,
        connection: &mut C,
    ) -> Result<Next<Key>, sqlx::Error> {
        let keys = match batch.rows_to_retry() {
            [] => self.keys(&range, connection).await?,
            keys => keys.to_vec(),
        };
        let names = self.names(connection);
        let (mut next, mut rows) = (range.next, 0);
        for key in keys {
            let condition = connection.compare(&names, "=", &key);
            let text = statement.replace("{range}", &condition);
            match in_savepoint(connection, text).await? {
                Ok(done) => rows += done,
                Err(error) => next = next.failed_row(key, error),
            }
        }
        Ok(next.done_rows(rows))
    }

    /// Returns the keys of the rows of a batch.
    async fn keys<C: KeysetConnection>(
        &self,
        range: &KeyRange,
        connection: &mut C,
    ) -> Result<Vec<Key>, sqlx::Error> {
        let (select, names) = (self.select(connection), self.names(connection));
        let order = names.join(", ");
        // A session may limit the rows of a query.
        let text = format!(
            "{select} WHERE {} ORDER BY {order} LIMIT {}",
            range.condition,
            i64::MAX
        );
        let (rows, _) = connection.send(text).await?;
        rows.into_iter().map(|row| self.key_of(row)).collect()
    }
}

/// Runs a statement. If it fails because of its rows, what it did is reversed, and the transaction
/// goes on.
pub(super) async fn in_savepoint<C: KeysetConnection>(
    connection: &mut C,
    text: String,
) -> Result<Result<u64, sqlx::Error>, sqlx::Error> {
    connection
        .send("SAVEPOINT flamingock_rows".to_owned())
        .await?;
    let done = match connection.send(text).await {
        Ok((_, rows)) => Ok(rows),
        Err(error) if connection.is_of_rows(&error) => {
            let back = "ROLLBACK TO SAVEPOINT flamingock_rows".to_owned();
            if connection.send(back).await.is_err() {
                return Err(error);
            }
            Err(error)
        }
        Err(error) => return Err(error),
    };
    connection
        .send("RELEASE SAVEPOINT flamingock_rows".to_owned())
        .await?;
    Ok(done)
}

/// Reports whether a statement failed because of the values in its rows, and not because of the
/// statement, the connection or another transaction.
pub(super) fn is_of_rows(kind: DatabaseKind, error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let code = error.code().unwrap_or_default();
    match kind {
        // The integrity and the values; what a function of the database raises.
        DatabaseKind::Postgres => ["22", "23", "P0"]
            .iter()
            .any(|class| code.starts_with(class)),
        DatabaseKind::MySql => {
            let general = code == "HY000" && is_of_rows_by_number(error);
            general
                || ["22", "23", "45"]
                    .iter()
                    .any(|class| code.starts_with(class))
        }
        // SQLITE_ERROR, with which functions such as those of JSON fail, TOOBIG, CONSTRAINT, MISMATCH.
        DatabaseKind::Sqlite => {
            let code = code.parse::<i32>().unwrap_or_default();
            matches!(code & 0xff, 1 | 18..=20)
        }
    }
}

/// Errors about values for which MySQL has no state of their own: a column without a default, a value
/// that does not fit, and a violated check.
#[cfg(feature = "mysql")]
fn is_of_rows_by_number(error: &dyn sqlx::error::DatabaseError) -> bool {
    let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    error.is_some_and(|error| matches!(error.number(), 1364 | 1366 | 3819))
}

#[cfg(not(feature = "mysql"))]
fn is_of_rows_by_number(_: &dyn sqlx::error::DatabaseError) -> bool {
    false
}
