//! Ending sessions at the server that nobody waits for any more. Where DDL commits midway, the fence
//! keeps out their entries and not what they have done before it: a statement that is still on its way
//! would commit that, and whoever has taken over has done the same again.

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Conn, Ledger, Whose};

use super::driver::{Driver, send};

pub(super) const ACTION: &str = "could not take the lock over";

/// Ends what is open, and answers the ids of those sessions: none once nothing is left to be committed.
pub(super) async fn end_open<D: Driver>(
    connection: &mut Conn<D>,
    ledger: &Ledger<D>,
    grant: &leaf::LockGrant,
    whose: Whose<'_>,
) -> Result<Vec<i64>, sqlx::Error> {
    let open = ledger.open_sessions(connection, grant, whose).await?;
    for id in &open {
        let Some(cancelling) = D::CANCELLING else {
            break;
        };
        tracing::info!(
            connection = id,
            "ending a session whose change nobody waits for any more"
        );
        let end = cancelling.end_by_id.replace("%id%", &id.to_string());
        if let Err(error) = send::<D>(connection, end).await {
            tracing::warn!(connection = id, %error, "the session could not be ended");
        }
    }
    Ok(open)
}
