//! Stopping what a dropped function left running at the server, from another connection.

use std::time::{Duration, Instant};

use flamingock_sqlx_audit as leaf;

use super::connection::aside;
use super::database::SqlDatabase;
use super::driver::{Driver, send};
use super::pooler::hands_on_sessions;
use super::timing::PAUSE;
use crate::audit::attempt::Attempt;
use crate::lock::silence;

/// How long the attempt to cancel may take; what cannot be cancelled ends by itself.
const LIMIT: Duration = Duration::from_secs(5);

/// Cancels what the transaction of an attempt is doing.
pub(super) async fn cancel_transaction<D: Driver>(
    database: &SqlDatabase<D>,
    grant: &leaf::LockGrant,
    attempt: &Attempt<'_>,
    tag: &str,
) {
    let Some(cancelling) = D::CANCELLING else {
        return;
    };
    let work = async {
        let pool = aside::<D>(&database.pool);
        let mut connection = pool.acquire().await?.detach();
        if let Some(by_tag) = cancelling.by_tag {
            return send::<D>(&mut connection, by_tag.replace("%tag%", tag))
                .await
                .map(drop);
        }
        let (id, number) = (attempt.definition.id, i64::from(attempt.number));
        let found = database
            .ledger
            .connection_of(&mut connection, grant, id, number)
            .await?;
        match found {
            Some(id) => {
                let text = cancelling.by_id.replace("%id%", &id.to_string());
                send::<D>(&mut connection, text).await.map(drop)
            }
            None => Ok(()),
        }
    };
    tell(tokio::time::timeout(LIMIT, work).await);
}

/// Cancels what the session with this mark is doing, unless it may be working for somebody else.
pub(super) async fn cancel_marked<D: Driver>(database: &SqlDatabase<D>, mark: &str) {
    let Some(cancelling) = D::CANCELLING else {
        return;
    };
    if hands_on_sessions(database).await {
        tracing::warn!(
            "the running statement was not cancelled: behind a transaction pooler, that of another client could be hit"
        );
        return;
    }
    let work = async {
        let pool = aside::<D>(&database.pool);
        let mut connection = pool.acquire().await?.detach();
        let text = cancelling.by_mark.replace("%mark%", mark);
        send::<D>(&mut connection, text).await.map(drop)
    };
    tell(tokio::time::timeout(LIMIT, work).await);
}

/// Ends the session of an attempt's transaction whose connection was lost: the server may not know
/// that its client is gone. Returns whether it is known to be gone.
pub(super) async fn end_transaction<D: Driver>(
    database: &SqlDatabase<D>,
    grant: &leaf::LockGrant,
    attempt: &Attempt<'_>,
    tag: &str,
) -> bool {
    let Some(cancelling) = D::CANCELLING else {
        return true;
    };
    let deadline = Instant::now() + database.ledger.patience();
    let mut known = None;
    loop {
        silence::progress();
        let work = async {
            let pool = aside::<D>(&database.pool);
            let mut connection = pool.acquire().await?.detach();
            if let (Some(by_tag), Some(is_there)) = (cancelling.by_tag, cancelling.is_there_by_tag)
            {
                send::<D>(&mut connection, by_tag.replace("%tag%", tag)).await?;
                let there = send::<D>(&mut connection, is_there.replace("%tag%", tag)).await?;
                return Ok(there.rows.is_empty());
            }
            if known.is_none() {
                let (id, number) = (attempt.definition.id, i64::from(attempt.number));
                known = database
                    .ledger
                    .connection_of(&mut connection, grant, id, number)
                    .await?;
            }
            // Its witness is there from the beginning of the transaction to its end.
            let Some(id) = known else {
                return Ok(true);
            };
            let id = id.to_string();
            let there = cancelling.is_there_by_id.replace("%id%", &id);
            if send::<D>(&mut connection, there).await?.rows.is_empty() {
                return Ok(true);
            }
            let end = cancelling.end_by_id.replace("%id%", &id);
            send::<D>(&mut connection, end).await.map(|_| false)
        };
        match tokio::time::timeout(LIMIT, work).await {
            Ok(Ok(true)) => return true,
            Ok(Ok(false)) => {}
            other => tell(other.map(|done: Result<bool, sqlx::Error>| done.map(drop))),
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(cancelled: Result<Result<(), sqlx::Error>, tokio::time::error::Elapsed>) {
    match cancelled {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the running statement could not be cancelled"),
        Err(_) => tracing::warn!("the running statement could not be cancelled in time"),
    }
}
