//! Ending sessions of earlier lock owners and of attempts in doubt. On databases on which DDL
//! commits midway, the fencing check rejects the entries of such a session, but not the work before
//! them: a statement that is still on its way would be committed, although the new owner repeats
//! the same work.

use std::time::{Duration, Instant};

use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::{Conn, Isolation, Ledger, Whose};

use super::driver::{Driver, send};
use super::retry::{Retry, retry};
use super::store::SqlStore;
use super::timing::POLL_PAUSE;
use crate::audit::grant::LockGrant;
use crate::audit::store_error::{StoreError, StoreErrorKind};

const ACTION: &str = "could not take the lock over";

/// Ends the open sessions. Returns their IDs: none once nothing can be committed any more.
pub(super) async fn end_open_sessions<D: Driver>(
    connection: &mut Conn<D>,
    ledger: &Ledger<D>,
    grant: &sqlx_audit::LockGrant,
    whose: Whose<'_>,
) -> Result<Vec<i64>, sqlx::Error> {
    let open = ledger.open_sessions(connection, grant, whose).await?;
    for id in &open {
        let Some(cancellation) = D::CANCELLATION else {
            break;
        };
        tracing::info!(
            connection = id,
            "ending a session of an earlier lock owner or of an attempt in doubt"
        );
        let end = cancellation.end_by_id.replace("%id%", &id.to_string());
        if let Err(error) = send::<D>(connection, end).await {
            tracing::warn!(connection = id, %error, "the session could not be ended");
        }
    }
    Ok(open)
}

impl<D: Driver> SqlStore<D> {
    /// Makes sure that earlier owners of the lock commit nothing any more. The lock is acquired
    /// already, so they begin nothing new. If their sessions cannot be ended, the lock is kept
    /// until its lease ends, so that the next owner checks again.
    pub(super) async fn end_previous_sessions(
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
            // A session that was ended after the deadline is checked once more.
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
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Ends the sessions of all other owners.
    pub(super) async fn end_others(
        &self,
        grant: &sqlx_audit::LockGrant,
    ) -> Result<Vec<i64>, StoreError> {
        let mark = D::CANCELLATION.map_or("", |cancellation| cancellation.mark_prefix);
        retry!(self, "could not take the lock over", |connection| {
            end_open_sessions(connection, &self.ledger, grant, Whose::Others { mark })
        })
    }
}
