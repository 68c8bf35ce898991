//! What changes without a transaction leave unusable: the invalid index of PostgreSQL's
//! `CREATE INDEX CONCURRENTLY`. The statement fails once, and succeeds from then on where it says
//! `IF NOT EXISTS`, although no query uses the index.

use super::connection::Held;
use super::database::SqlDatabase;
use super::driver::{Driver, send};
use crate::change::context::Context;
use crate::target::invocation::Invocation;
use crate::util::boxed::BoxError;

const UNUSABLE: &str = "the change returned no error, but what it made is not usable";

/// What was unusable before a change was called.
pub(super) struct Unusable {
    /// Whether that could be asked.
    is_known: bool,
    /// What was so before the change was first attempted: it is none of its remains.
    of_others: Vec<String>,
    /// What has come since, before this attempt.
    of_earlier: Vec<String>,
}

impl Unusable {
    pub(super) async fn before<D: Driver>(
        database: &SqlDatabase<D>,
        held: &mut Held<D>,
        invocation: &Invocation<'_>,
    ) -> Unusable {
        let found = find(held).await;
        let is_known = found.is_some();
        let ids = found.unwrap_or_default().into_iter().map(|(id, _)| id);
        let all: Vec<String> = ids.collect();
        let older = match (invocation.earlier, all.is_empty()) {
            (0, _) | (_, true) => all.clone(),
            (earlier, false) => older(database, held, invocation, earlier, &all).await,
        };
        let (of_others, of_earlier) = all.into_iter().partition(|id| older.contains(id));
        Unusable {
            is_known,
            of_others,
            of_earlier,
        }
    }

    /// The result, unless something is unusable that this change has made.
    pub(super) async fn judge<D: Driver, T>(
        self,
        held: &mut Held<D>,
        result: Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        if !self.is_known {
            return result;
        }
        let mut remains = find(held).await.unwrap_or_default();
        remains.retain(|(id, _)| !self.of_others.contains(id));
        if remains.is_empty() {
            return result;
        }
        let is_older = remains.iter().all(|(id, _)| self.of_earlier.contains(id));
        let cause = result.err().unwrap_or_else(|| UNUSABLE.into());
        let remains: Vec<String> = remains.into_iter().map(|(_, name)| name).collect();
        Err(Box::new(Remains {
            cause,
            remains: remains.join(", "),
            whence: if is_older { OF_EARLIER } else { "" },
        }))
    }
}

/// Those that were there before the first of the earlier attempts. Where nothing tells, each of them may be
/// what an attempt has left.
async fn older<D: Driver>(
    database: &SqlDatabase<D>,
    held: &mut Held<D>,
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
        .older_than(held, service, change, earlier.into(), all);
    older.await.ok().flatten().unwrap_or_default()
}

/// The invalid indexes of the database that no other session is building: the id and the name of each.
async fn find<D: Driver>(held: &mut Held<D>) -> Option<Vec<(String, String)>> {
    let answer = send::<D>(held, D::REMAINS?.to_owned()).await.ok()?;
    let rows = answer.rows.into_iter();
    Some(rows.map(|mut row| (row.text(0), row.text(1))).collect())
}

const OF_EARLIER: &str =
    ", which was not there, as far as is known, before the change was first attempted";

/// An error, with what is unusable in the database since.
#[derive(Debug, thiserror::Error)]
#[error("the database has {remains}{whence}: drop it before the change runs again")]
struct Remains {
    #[source]
    cause: BoxError,
    remains: String,
    whence: &'static str,
}
