//! Invalid indexes that non-transactional changes leave behind on PostgreSQL. `CREATE INDEX
//! CONCURRENTLY` fails once and leaves an invalid index. With `IF NOT EXISTS` it succeeds from then
//! on, although no query uses the index.

use super::connection::GuardedConnection;
use super::database::SqlDatabase;
use super::driver::{Driver, send};
use crate::change::context::Context;
use crate::target::invocation::Invocation;
use crate::util::boxed::BoxError;

const UNUSABLE: &str = "the change returned no error, but what it made is not usable";

/// The invalid indexes before a change.
pub(super) struct InvalidIndexes {
    /// Whether they could be read.
    is_known: bool,
    /// Those that existed before the first attempt at the change: they are not its fault.
    older: Vec<String>,
    /// Those that were created since, before this attempt.
    from_earlier_attempts: Vec<String>,
}

impl InvalidIndexes {
    pub(super) async fn find<D: Driver>(
        database: &SqlDatabase<D>,
        connection: &mut GuardedConnection<D>,
        invocation: &Invocation<'_>,
    ) -> InvalidIndexes {
        let found = list(connection).await;
        let is_known = found.is_some();
        let ids = found.unwrap_or_default().into_iter().map(|(id, _)| id);
        let all: Vec<String> = ids.collect();
        let older = match (invocation.earlier, all.is_empty()) {
            (0, _) | (_, true) => all.clone(),
            (earlier, false) => {
                before_first_attempt(database, connection, invocation, earlier, &all).await
            }
        };
        let (older, from_earlier_attempts) = all.into_iter().partition(|id| older.contains(id));
        InvalidIndexes {
            is_known,
            older,
            from_earlier_attempts,
        }
    }

    /// Returns the result, or an error if the change left an invalid index behind.
    pub(super) async fn check<D: Driver, T>(
        self,
        connection: &mut GuardedConnection<D>,
        result: Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        if !self.is_known {
            return result;
        }
        let mut indexes = list(connection).await.unwrap_or_default();
        indexes.retain(|(id, _)| !self.older.contains(id));
        if indexes.is_empty() {
            return result;
        }
        let is_earlier = indexes
            .iter()
            .all(|(id, _)| self.from_earlier_attempts.contains(id));
        let cause = result.err().unwrap_or_else(|| UNUSABLE.into());
        let indexes: Vec<String> = indexes.into_iter().map(|(_, name)| name).collect();
        Err(Box::new(InvalidIndexError {
            cause,
            indexes: indexes.join(", "),
            origin: if is_earlier { SINCE_FIRST_ATTEMPT } else { "" },
        }))
    }
}

/// Returns those that existed before the first attempt. If that cannot be determined, each of them
/// may be from an attempt.
async fn before_first_attempt<D: Driver>(
    database: &SqlDatabase<D>,
    connection: &mut GuardedConnection<D>,
    invocation: &Invocation<'_>,
    earlier: u32,
    all: &[String],
) -> Vec<String> {
    let context = invocation.values[0].get::<Context>();
    let (Some(context), true) = (context, database.store.is_some()) else {
        return Vec::new();
    };
    let (service, change) = (context.service(), context.change_id());
    let older = database
        .ledger
        .older_than(connection, service, change, earlier.into(), all);
    older.await.ok().flatten().unwrap_or_default()
}

/// Returns the ID and the name of each invalid index that no other session is building.
async fn list<D: Driver>(connection: &mut GuardedConnection<D>) -> Option<Vec<(String, String)>> {
    let answer = send::<D>(connection, D::INVALID_INDEXES?.to_owned())
        .await
        .ok()?;
    let rows = answer.rows.into_iter();
    Some(rows.map(|mut row| (row.text(0), row.text(1))).collect())
}

const SINCE_FIRST_ATTEMPT: &str =
    ", which was not there, as far as is known, before the change was first attempted";

/// An error of a change, with the invalid indexes in the database.
#[derive(Debug, thiserror::Error)]
#[error("the database has {indexes}{origin}: drop it before the change runs again")]
struct InvalidIndexError {
    #[source]
    cause: BoxError,
    indexes: String,
    origin: &'static str,
}
