//! The lock's row, as the thread sees it that renews the lease.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flamingock_sqlx_audit::{Conn, Ledger};
use sqlx::Pool;

use super::driver::{Driver, send};
use super::error::failed;
use super::rows;
use crate::audit::snapshot::LockGrant;
use crate::audit::store::LeaseRenewer;
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// Renews leases on a connection of its own. A renewal that is cut short takes its connection with
/// it: the next one must not wait behind a statement that hangs.
pub(super) struct Renewer<D: Driver> {
    pool: Pool<D::Database>,
    ledger: Arc<Ledger<D>>,
    connection: tokio::sync::Mutex<Option<Conn<D>>>,
}

impl<D: Driver> Renewer<D> {
    pub(super) fn new(pool: Pool<D::Database>, ledger: Arc<Ledger<D>>) -> Renewer<D> {
        Renewer {
            pool,
            ledger,
            connection: tokio::sync::Mutex::new(None),
        }
    }

    async fn connect(&self, lease: Duration) -> Result<Conn<D>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?.detach();
        if self.ledger.dialect().has_one_writer {
            // A change has the file to itself for as long as it takes. That must be told well
            // before the renewal is cut short, and not be taken for a database without answer.
            let limit = (lease / 12).as_millis();
            send::<D>(&mut connection, format!("PRAGMA busy_timeout = {limit}")).await?;
        }
        Ok(connection)
    }
}

impl<D: Driver> fmt::Debug for Renewer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewer")
    }
}

#[async_trait]
impl<D: Driver> LeaseRenewer for Renewer<D> {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let action = "could not renew the lease";
        let mut kept = self.connection.lock().await;
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => {
                let connected = self.connect(lease).await;
                connected.map_err(|error| failed::<D>(action, error))?
            }
        };
        let grant = rows::grant(grant);
        let renewed = self
            .ledger
            .renew(&mut connection, &grant, Some(lease), activity)
            .await;
        match renewed {
            Ok(renewed) => {
                *kept = Some(connection);
                Ok(renewed)
            }
            Err(error) => {
                let error = failed::<D>(action, error);
                if error.kind == StoreErrorKind::Busy {
                    *kept = Some(connection);
                }
                Err(error)
            }
        }
    }
}
