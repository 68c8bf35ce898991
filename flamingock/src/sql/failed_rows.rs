//! The rows of a [`Keyset`] that fail, while the others are done.

use std::ops::Range;

use super::keyset::{Key, KeyRange, Keyset, KeysetConnection};
use crate::change::batch::{Batch, Next};

const SAVEPOINT: &str = "SAVEPOINT flamingock_rows";
const RELEASE: &str = "RELEASE SAVEPOINT flamingock_rows";
const BACK: &str = "ROLLBACK TO SAVEPOINT flamingock_rows";

impl Keyset {
    /// Does a batch with one statement. If that fails because of its rows, they are done in halves,
    /// down to those that fail.
    pub(super) async fn collect<C: KeysetConnection>(
        &self,
        statement: &str,
        batch: &Batch<Key>,
        range: KeyRange,
        connection: &mut C,
    ) -> Result<Next<Key>, sqlx::Error> {
        needs_transaction(connection).await?;
        let text = statement.replace("{range}", &range.condition);
        if let Ok(rows) = in_savepoint(connection, text).await? {
            return Ok(range.done(rows));
        }
        let again = batch.rows_to_retry();
        let keys = match again {
            [] => self.keys(&range, connection).await?,
            keys => keys.to_vec(),
        };
        let (mut next, mut rows) = (range.next, 0);
        let names = self.names(connection);
        // Rows that failed before are not next to each other.
        let mut left: Vec<Range<usize>> = match again {
            [] => std::iter::once(0..keys.len()).collect(),
            _ => (0..keys.len()).map(|at| at..at + 1).rev().collect(),
        };
        while let Some(part) = left.pop() {
            let Some(last) = part.end.checked_sub(1).and_then(|last| keys.get(last)) else {
                continue;
            };
            // Keys may differ and be equal to the database: each row belongs to one part.
            let before = match part.start.checked_sub(1) {
                Some(before) => keys.get(before),
                None => batch.cursor(),
            };
            let up_to = connection.compare(&names, "<=", last);
            let condition = match before {
                _ if !again.is_empty() => connection.compare(&names, "=", last),
                Some(before) => {
                    format!("({} AND {up_to})", connection.compare(&names, ">", before))
                }
                None => up_to,
            };
            let text = statement.replace("{range}", &condition);
            match in_savepoint(connection, text).await? {
                Ok(done) => rows += done,
                Err(error) if part.len() == 1 => next = next.failed_row(last.clone(), error),
                Err(_) => {
                    let middle = part.start + part.len() / 2;
                    left.extend([middle..part.end, part.start..middle]);
                }
            }
        }
        Ok(next.done_rows(rows))
    }

    /// Returns the keys of the rows of a batch, each once.
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
        let keys = rows.into_iter().map(|row| self.key_of(row));
        let mut keys: Vec<Key> = keys.collect::<Result<_, sqlx::Error>>()?;
        keys.dedup();
        Ok(keys)
    }
}

/// Fails outside a transaction, where a savepoint has no effect or none at all.
async fn needs_transaction<C: KeysetConnection>(connection: &mut C) -> Result<(), sqlx::Error> {
    let begun = connection.send(SAVEPOINT.to_owned()).await;
    let ended = match begun {
        Ok(_) => connection.send(RELEASE.to_owned()).await,
        error => error,
    };
    ended.map(drop).map_err(|error| {
        let rule = format!(
            "`collect_failed_rows` needs the transaction of the change, and there is none: {error}"
        );
        sqlx::Error::Configuration(rule.into())
    })
}

/// Runs a statement. If it fails because of its rows, what it did is reversed, and the transaction
/// goes on.
async fn in_savepoint<C: KeysetConnection>(
    connection: &mut C,
    text: String,
) -> Result<Result<u64, sqlx::Error>, sqlx::Error> {
    connection.send(SAVEPOINT.to_owned()).await?;
    let error = match connection.send(text.clone()).await {
        Ok((_, rows)) => {
            connection.send(RELEASE.to_owned()).await?;
            return Ok(Ok(rows));
        }
        Err(error) => error,
    };
    if !connection.is_of_rows(&error) || connection.send(BACK.to_owned()).await.is_err() {
        return Err(error);
    }
    if connection.keeps_what_failed().await? {
        return Err(error);
    }
    // The statement itself may be wrong.
    if connection.is_ambiguous(&error) {
        connection.send(format!("EXPLAIN {text}")).await?;
        // Only the first statement of a text is explained.
        connection.send(BACK.to_owned()).await?;
    }
    connection.send(RELEASE.to_owned()).await?;
    Ok(Err(error))
}
