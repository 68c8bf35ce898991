//! Querying the server for the session that blocks a transaction.

use std::convert::Infallible;
use std::time::Duration;

use super::blocker::{Blocker, POLL_PAUSES};
use super::tries::{TransactionRunner, TryContext};
use crate::sql::connection::auxiliary_pool;
use crate::sql::driver::{Driver, send};

/// The transaction to query for.
pub(super) struct BlockerQuery {
    blocker: Blocker,
    tag: String,
    is_wanted: bool,
    pause: Duration,
}

impl<D: Driver> TransactionRunner<'_, D> {
    /// Returns what to query for. Only the last try is recorded, with its error, so only that one
    /// is queried.
    pub(super) fn blocker_query(&self, context: &TryContext<'_>) -> BlockerQuery {
        let [most, least] = POLL_PAUSES;
        let own = self.limits(context.first).lock;
        let limit = own.or_else(|| self.database.ledger.lock_timeout());
        BlockerQuery {
            blocker: context.blocker.clone(),
            tag: context.tag.clone(),
            is_wanted: context.is_last,
            pause: limit.map_or(most, |limit| (limit / 4).clamp(least, most)),
        }
    }

    /// Queries from another connection which session blocks the transaction, until this future is
    /// dropped.
    pub(super) async fn look_for_blocker(&self, blocker_query: BlockerQuery) -> Infallible {
        let Some(query) = D::BLOCKER.filter(|_| blocker_query.is_wanted) else {
            return std::future::pending().await;
        };
        let query = query.replace("%tag%", &blocker_query.tag);
        let pool = auxiliary_pool::<D>(&self.database.pool);
        loop {
            tokio::time::sleep(blocker_query.pause).await;
            let look = async {
                let mut connection = pool.acquire().await?;
                send::<D>(&mut connection, query.clone()).await
            };
            match look.await {
                Ok(mut answer) => {
                    if let Some(row) = answer.rows.first_mut() {
                        let (id, name, text) = (row.text(0), row.text(1), row.text(2));
                        blocker_query.blocker.record(format!(
                            "the session {id} (\"{name}\"), whose last statement is `{text}`"
                        ));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "could not query which session blocks the change");
                }
            }
        }
    }
}
