//! Renewal of the lease in a database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flamingock_sqlx_audit::{Conn, Ledger};
use sqlx::Pool;

use super::driver::{Driver, send};
use super::error::store_error;
use super::rows;
use crate::audit::grant::LockGrant;
use crate::audit::store::LeaseRenewer;
use crate::audit::store_error::{StoreError, StoreErrorKind};

/// Renews leases on a connection of its own. A renewal that exceeds its time limit loses its
/// connection, because the next one must not wait behind a statement without an answer.
pub(super) struct SqlLeaseRenewer<D: Driver> {
    pool: Pool<D::Database>,
    ledger: Arc<Ledger<D>>,
    connection: tokio::sync::Mutex<Option<Conn<D>>>,
}

impl<D: Driver> SqlLeaseRenewer<D> {
    pub(super) fn new(pool: Pool<D::Database>, ledger: Arc<Ledger<D>>) -> SqlLeaseRenewer<D> {
        SqlLeaseRenewer {
            pool,
            ledger,
            connection: tokio::sync::Mutex::new(None),
        }
    }

    async fn connect(&self, lease: Duration) -> Result<Conn<D>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?.detach();
        if self.ledger.dialect().has_one_writer {
            // A change locks the whole file while it runs. The renewal must report that well before
            // its time limit, so that it is not mistaken for a database that does not answer.
            let limit = (lease / 12).as_millis();
            send::<D>(&mut connection, format!("PRAGMA busy_timeout = {limit}")).await?;
        }
        Ok(connection)
    }
}

impl<D: Driver> fmt::Debug for SqlLeaseRenewer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewer")
    }
}

#[async_trait]
impl<D: Driver> LeaseRenewer for SqlLeaseRenewer<D> {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let action = "could not renew the lease";
        let mut cached = self.connection.lock().await;
        let mut connection = match cached.take() {
            Some(connection) => connection,
            None => {
                let connected = self.connect(lease).await;
                connected.map_err(|error| store_error::<D>(action, error))?
            }
        };
        let grant = rows::grant(grant);
        let renewed = self
            .ledger
            .renew(&mut connection, &grant, Some(lease), activity)
            .await;
        match renewed {
            Ok(renewed) => {
                *cached = Some(connection);
                Ok(renewed)
            }
            Err(error) => {
                let error = store_error::<D>(action, error);
                if error.kind == StoreErrorKind::Busy {
                    *cached = Some(connection);
                }
                Err(error)
            }
        }
    }
}
