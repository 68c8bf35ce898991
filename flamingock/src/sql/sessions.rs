//! Ending sessions at the server that nobody waits for any more. Where DDL commits midway, the fence
//! keeps out their entries and not what they have done before it: a statement that is still on its way
//! would commit that, and whoever has taken over has done the same again.

use std::time::{Duration, Instant};

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Conn, Isolation, Ledger, Whose};

use super::driver::{Driver, send};
use super::in_doubt::PAUSE;
use super::store::SqlStore;
use crate::audit::snapshot::LockGrant;
use crate::audit::store_error::{StoreError, StoreErrorKind};

const ACTION: &str = "could not take the lock over";

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

impl<D: Driver> SqlStore<D> {
    /// Sees to it that nothing is committed any more of those who had the lock before. The lock is ours
    /// already, so that they begin nothing new; if they cannot be ended it is kept until its lease is
    /// over, so that the next one looks too.
    pub(super) async fn end_those_before(
        &self,
        grant: &LockGrant,
        lease: Duration,
    ) -> Result<(), StoreError> {
        if self.ledger.dialect().isolation != Isolation::Witnessed {
            return Ok(());
        }
        let deadline = Instant::now() + lease;
        let grant = super::rows::grant(grant);
        loop {
            // What is ended late gets a look of its own.
            let is_late = Instant::now() >= deadline;
            let open = self.end_others(&grant).await?;
            let Some(id) = open.first() else {
                return Ok(());
            };
            if is_late {
                let text = format!(
                    "a session of the run that had it before is still open, and what it has done so far could still be committed. End it (`KILL {id}`), or start again once it has ended"
                );
                return Err(StoreError::new(StoreErrorKind::Other, ACTION, text));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
