//! Cancelling the statement of a dropped function from another connection.

use std::time::{Duration, Instant};

use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::Conn;

use super::connection::auxiliary_pool;
use super::database::SqlDatabase;
use super::driver::{Driver, send};
use super::pooler::is_behind_pooler;
use super::timing::POLL_PAUSE;
use crate::audit::attempt::Attempt;
use crate::lock::silence;

/// The time limit of a cancellation. A statement that cannot be cancelled ends by itself.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The session of an attempt's transaction.
pub(super) struct TransactionSession<'a> {
    pub(super) grant: &'a sqlx_audit::LockGrant,
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) tag: &'a str,
    /// The mark of the session, if it has one.
    pub(super) mark: Option<&'a str>,
}

impl TransactionSession<'_> {
    /// Returns the server's ID of the session: by its mark, or by the witness of the transaction.
    async fn id<D: Driver>(
        &self,
        database: &SqlDatabase<D>,
        connection: &mut Conn<D>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let id_by_mark = D::CANCELLATION.and_then(|cancellation| cancellation.id_by_mark);
        if let (Some(mark), Some(id_by_mark)) = (self.mark, id_by_mark) {
            let answer = send::<D>(connection, id_by_mark.replace("%mark%", mark)).await?;
            return answer.rows.first().map_or(Ok(None), |row| row.int(0));
        }
        let (id, number) = (self.attempt.definition.id, i64::from(self.attempt.number));
        let ledger = &database.ledger;
        ledger
            .connection_of(connection, self.grant, id, number)
            .await
    }
}

/// Cancels the running statement of an attempt's transaction.
pub(super) async fn cancel_transaction<D: Driver>(
    database: &SqlDatabase<D>,
    session: TransactionSession<'_>,
) {
    let Some(cancellation) = D::CANCELLATION else {
        return;
    };
    let work = async {
        let pool = auxiliary_pool::<D>(&database.pool);
        let mut connection = pool.acquire().await?.detach();
        if let Some(by_tag) = cancellation.by_tag {
            return send::<D>(&mut connection, by_tag.replace("%tag%", session.tag))
                .await
                .map(drop);
        }
        match session.id(database, &mut connection).await? {
            Some(id) => {
                let text = cancellation.by_id.replace("%id%", &id.to_string());
                send::<D>(&mut connection, text).await.map(drop)
            }
            None => Ok(()),
        }
    };
    warn_if_failed(tokio::time::timeout(TIMEOUT, work).await);
}

/// Cancels the running statement of the session with this mark, unless the session may serve
/// another client.
pub(super) async fn cancel_marked<D: Driver>(database: &SqlDatabase<D>, mark: &str) {
    let Some(cancellation) = D::CANCELLATION else {
        return;
    };
    if is_behind_pooler(database).await {
        tracing::warn!(
            "the running statement was not cancelled: behind a transaction pooler, a statement of another client could be cancelled instead"
        );
        return;
    }
    let work = async {
        let pool = auxiliary_pool::<D>(&database.pool);
        let mut connection = pool.acquire().await?.detach();
        let text = cancellation.by_mark.replace("%mark%", mark);
        send::<D>(&mut connection, text).await.map(drop)
    };
    warn_if_failed(tokio::time::timeout(TIMEOUT, work).await);
}

/// Ends the session of an attempt whose connection was lost: the server may not have noticed that
/// its client is gone. Returns whether the session has ended.
pub(super) async fn end_transaction<D: Driver>(
    database: &SqlDatabase<D>,
    session: TransactionSession<'_>,
) -> bool {
    let Some(cancellation) = D::CANCELLATION else {
        return true;
    };
    let deadline = Instant::now() + database.ledger.patience();
    let mut known = None;
    loop {
        silence::progress();
        let work = async {
            let pool = auxiliary_pool::<D>(&database.pool);
            let mut connection = pool.acquire().await?.detach();
            if let (Some(by_tag), Some(exists)) = (cancellation.by_tag, cancellation.exists_by_tag)
            {
                let tag = session.tag;
                send::<D>(&mut connection, by_tag.replace("%tag%", tag)).await?;
                let sessions = send::<D>(&mut connection, exists.replace("%tag%", tag)).await?;
                return Ok(sessions.rows.is_empty());
            }
            if known.is_none() {
                known = session.id(database, &mut connection).await?;
            }
            // The witness exists from the beginning of the transaction to its end, and the mark as
            // long as its session.
            let Some(id) = known else {
                return Ok(true);
            };
            let id = id.to_string();
            let sessions = cancellation.exists_by_id.replace("%id%", &id);
            if send::<D>(&mut connection, sessions).await?.rows.is_empty() {
                return Ok(true);
            }
            let end = cancellation.end_by_id.replace("%id%", &id);
            send::<D>(&mut connection, end).await.map(|_| false)
        };
        match tokio::time::timeout(TIMEOUT, work).await {
            Ok(Ok(true)) => return true,
            Ok(Ok(false)) => {}
            other => warn_if_failed(other.map(|done: Result<bool, sqlx::Error>| done.map(drop))),
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

fn warn_if_failed(cancelled: Result<Result<(), sqlx::Error>, tokio::time::error::Elapsed>) {
    match cancelled {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the running statement could not be cancelled"),
        Err(_) => tracing::warn!("the running statement could not be cancelled in time"),
    }
}
