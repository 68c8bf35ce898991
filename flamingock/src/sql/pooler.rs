//! Transaction poolers: whether the statements of one connection are answered by different sessions of the
//! server.
//!
//! Behind PgBouncer in transaction mode, a connection has a session of the server only for as long as a
//! transaction, and each statement outside of one is a transaction. What is set by one statement is then
//! found by another client, and a session whose id one statement has asked for works for another client
//! when the next one is sent.

use std::time::Duration;

use flamingock_sqlx_audit::Conn;

use super::connection::aside;
use super::database::SqlDatabase;
use super::driver::{Driver, send};

/// How often two connections are compared. Without other clients the first time tells: a pooler gives out
/// the session that was used last, or the next one in turn. Among busy clients it is a matter of chance.
const ROUNDS: usize = 8;

/// How long all of that may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether a pooler hands on sessions of the server between the statements of a connection. Asked once,
/// on connections of its own. Where these can't be had there is no such pooler: it would accept them.
pub(super) async fn hands_on_sessions<D: Driver>(database: &SqlDatabase<D>) -> bool {
    let Some(own_session) = D::CANCELLING.and_then(|cancelling| cancelling.own_session) else {
        return false;
    };
    let compared = database.is_pooled.get_or_try_init(|| async {
        match tokio::time::timeout(LIMIT, compare(database, own_session)).await {
            Ok(Ok(is_pooled)) => Ok(is_pooled),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    });
    match compared.await {
        Ok(is_pooled) => *is_pooled,
        Err(error) => {
            tracing::debug!(%error, "could not compare two connections of the pool");
            false
        }
    }
}

/// Two connections never share a session that is their own, and neither ever changes it.
async fn compare<D: Driver>(
    database: &SqlDatabase<D>,
    own_session: &str,
) -> Result<bool, sqlx::Error> {
    let (one, other) = (aside::<D>(&database.pool), aside::<D>(&database.pool));
    let mut one = one.acquire().await?.detach();
    let mut other = other.acquire().await?.detach();
    for _ in 0..ROUNDS {
        let before = session::<D>(&mut one, own_session.to_owned()).await?;
        // The session stays with the transaction: the first connection can't have it meanwhile.
        let taken = session::<D>(&mut other, format!("BEGIN; {own_session}")).await?;
        if taken == before {
            // Not asked again: a pooler that has one connection to the server has none left to answer with.
            return Ok(true);
        }
        let after = session::<D>(&mut one, own_session.to_owned()).await?;
        send::<D>(&mut other, "ROLLBACK".to_owned()).await?;
        if before != after || taken == after {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn session<D: Driver>(
    connection: &mut Conn<D>,
    text: String,
) -> Result<Option<String>, sqlx::Error> {
    let mut answer = send::<D>(connection, text).await?;
    Ok(answer.rows.first_mut().map(|row| row.text(0)))
}
