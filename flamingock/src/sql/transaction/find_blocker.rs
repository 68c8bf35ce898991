//! Asking the server whom a transaction waits for.

use super::batch::{Transact, Try};
use crate::sql::connection::aside;
use crate::sql::driver::{Driver, send};
use crate::sql::transaction::blocker::{Blocker, PAUSES};
use std::convert::Infallible;
use std::time::Duration;

/// What is looked for.
pub(super) struct Looking {
    blocker: Blocker,
    tag: String,
    is_wanted: bool,
    pause: Duration,
}

impl<D: Driver> Transact<'_, D> {
    /// Only the last try is recorded, with its error.
    pub(super) fn looking(&self, one: &Try<'_>) -> Looking {
        let [most, least] = PAUSES;
        let own = self.limits(one.first).lock;
        let limit = own.or_else(|| self.database.ledger.lock_timeout());
        Looking {
            blocker: one.blocker.clone(),
            tag: one.tag.clone(),
            is_wanted: one.last,
            pause: limit.map_or(most, |limit| (limit / 4).clamp(least, most)),
        }
    }

    /// Looks from another connection whom the transaction waits for, until nobody wants to know any more.
    pub(super) async fn look_for_blocker(&self, looking: Looking) -> Infallible {
        let Some(query) = D::BLOCKER.filter(|_| looking.is_wanted) else {
            return std::future::pending().await;
        };
        let query = query.replace("%tag%", &looking.tag);
        let pool = aside::<D>(&self.database.pool);
        loop {
            tokio::time::sleep(looking.pause).await;
            let look = async {
                let mut connection = pool.acquire().await?;
                send::<D>(&mut connection, query.clone()).await
            };
            match look.await {
                Ok(mut answer) => {
                    if let Some(row) = answer.rows.first_mut() {
                        let (id, name, text) = (row.text(0), row.text(1), row.text(2));
                        looking.blocker.note(format!(
                            "the session {id} (\"{name}\"), whose last statement is `{text}`"
                        ));
                    }
                }
                Err(error) => tracing::debug!(%error, "could not see whom the change waits for"),
            }
        }
    }
}
