//! Stopping what a dropped function left running at the server, from another connection.

use std::time::Duration;

use flamingock_sqlx_audit as leaf;

use super::SqlDatabase;
use super::driver::{Driver, send};
use super::held::aside;
use crate::attempt::Attempt;

/// How long the attempt to cancel may take; what cannot be cancelled ends by itself.
const LIMIT: Duration = Duration::from_secs(5);

/// Cancels what the transaction of an attempt is doing.
pub(super) async fn cancel_transaction<D: Driver>(
    database: &SqlDatabase<D>,
    possession: &leaf::Possession,
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
            .connection_of(&mut connection, possession, id, number)
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

/// Cancels what a connection of a known id is doing.
pub(super) async fn cancel_connection<D: Driver>(database: &SqlDatabase<D>, id: i64) {
    let Some(cancelling) = D::CANCELLING else {
        return;
    };
    let work = async {
        let pool = aside::<D>(&database.pool);
        let mut connection = pool.acquire().await?.detach();
        let text = cancelling.by_id.replace("%id%", &id.to_string());
        send::<D>(&mut connection, text).await.map(drop)
    };
    tell(tokio::time::timeout(LIMIT, work).await);
}

fn tell(cancelled: Result<Result<(), sqlx::Error>, tokio::time::error::Elapsed>) {
    match cancelled {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the running statement could not be cancelled"),
        Err(_) => tracing::warn!("the running statement could not be cancelled in time"),
    }
}
