//! Taking the lock over from an owner whose sessions may still be open.

use super::driver::Driver;
use super::store::SqlStore;
use super::timing::PAUSE;
use crate::audit::snapshot::LockGrant;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::sql::sessions::ACTION;
use flamingock_sqlx_audit::Isolation;
use std::time::{Duration, Instant};

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
