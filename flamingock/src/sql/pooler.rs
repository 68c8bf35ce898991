//! Transaction poolers: whether the statements of one connection run in different sessions of the
//! server.
//!
//! With PgBouncer in transaction mode, a connection has a session of the server only during a
//! transaction, and a statement outside of one is a transaction by itself. A setting then affects
//! other clients, and a session whose ID was read by one statement may serve another client when
//! the next statement is sent.

use std::time::Duration;

use flamingock_sqlx_audit::Conn;

use super::connection::auxiliary_pool;
use super::database::SqlDatabase;
use super::driver::{Driver, send};

/// How often two connections are compared. Without other clients, the first comparison is
/// conclusive: a pooler assigns the session that was used last, or the next one in turn. With busy
/// clients it depends on chance.
const COMPARISONS: usize = 8;

/// The time limit of all comparisons.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reports whether there is a transaction pooler in front of the server. Determined once, on two
/// separate connections. If these cannot be opened there is no such pooler: it would accept them.
pub(super) async fn is_behind_pooler<D: Driver>(database: &SqlDatabase<D>) -> bool {
    let Some(own_session) = D::CANCELLATION.and_then(|cancellation| cancellation.own_session)
    else {
        return false;
    };
    let compared = database.is_behind_pooler.get_or_try_init(|| async {
        match tokio::time::timeout(TIMEOUT, compare(database, own_session)).await {
            Ok(Ok(is_behind_pooler)) => Ok(is_behind_pooler),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    });
    match compared.await {
        Ok(is_behind_pooler) => *is_behind_pooler,
        Err(error) => {
            tracing::debug!(%error, "could not compare two connections of the pool");
            false
        }
    }
}

/// Compares two connections. Without a pooler, they never share a session and never switch to
/// another one.
async fn compare<D: Driver>(
    database: &SqlDatabase<D>,
    own_session: &str,
) -> Result<bool, sqlx::Error> {
    let (one, other) = (
        auxiliary_pool::<D>(&database.pool),
        auxiliary_pool::<D>(&database.pool),
    );
    let mut one = one.acquire().await?.detach();
    let mut other = other.acquire().await?.detach();
    for _ in 0..COMPARISONS {
        let before = session::<D>(&mut one, own_session.to_owned()).await?;
        // The session is assigned to the transaction, so the first connection cannot have it
        // meanwhile.
        let taken = session::<D>(&mut other, format!("BEGIN; {own_session}")).await?;
        if taken == before {
            // No further query: a pooler with a single connection to the server could not answer
            // it.
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
