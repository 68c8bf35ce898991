//! A database in which changes run.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::Ledger;
use sqlx::Pool;

use super::connection::GuardedConnection;
use super::connection_cache::ConnectionCache;
use super::driver::Driver;
use super::error::connection_error;
use super::server::Server;
use super::store::SqlStore;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::client::Client;
use crate::target::settings::StorageSettings;

/// A database in which changes run.
pub(crate) struct SqlDatabase<D: Driver> {
    pub(super) pool: Pool<D::Database>,
    pub(super) ledger: Arc<Ledger<D>>,
    /// The store of the audit, if the audit is in this database.
    pub(super) store: Option<Arc<SqlStore<D>>>,
    /// The connections of the changes of this run.
    pub(super) cache: Arc<ConnectionCache<D>>,
    /// The limit on waits for a lock on databases where other statements queue behind the waiting
    /// one.
    pub(super) lock_timeout: Option<Duration>,
    /// The server, for a target system that does not hold the audit.
    server: Server,
    /// For each client, the session options that could not be set to its values. Read on demand.
    pub(super) unknown_client_options: tokio::sync::Mutex<Vec<(Client, Vec<String>)>>,
    /// Set once the table of markers is known to exist.
    pub(super) markers: tokio::sync::OnceCell<()>,
    /// Whether there is a transaction pooler in front of the server. Determined on demand.
    pub(super) is_behind_pooler: tokio::sync::OnceCell<bool>,
}

impl<D: Driver> SqlDatabase<D> {
    pub(super) fn new(
        pool: Pool<D::Database>,
        ledger: Arc<Ledger<D>>,
        server: Server,
    ) -> SqlDatabase<D> {
        let cache = Arc::new(ConnectionCache::new(&pool, false));
        SqlDatabase {
            pool,
            ledger,
            store: None,
            cache,
            lock_timeout: None,
            server,
            unknown_client_options: tokio::sync::Mutex::default(),
            markers: tokio::sync::OnceCell::new(),
            is_behind_pooler: tokio::sync::OnceCell::new(),
        }
    }

    /// Applies the runner's settings.
    pub(super) fn set(&mut self, settings: &StorageSettings) {
        self.lock_timeout = settings.lock_timeout;
        self.cache = Arc::new(ConnectionCache::new(
            &self.pool,
            settings.parallel_stages == 1,
        ));
    }

    /// Refuses a server on which no test proves the guarantees of markers. Waits while the server
    /// is read-only: after a fail-over, the address leads to the new primary after a while.
    pub(super) async fn check_server(&self) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.ledger.patience();
        while !self.server.is_checked() {
            match self.query_server().await {
                Err(error)
                    if error.kind == StoreErrorKind::ReadOnly && Instant::now() < deadline =>
                {
                    tokio::time::sleep(super::timing::POLL_PAUSE).await;
                }
                asked => return asked,
            }
        }
        Ok(())
    }

    /// Queries the server. Closes the connection unless the server accepts writes.
    async fn query_server(&self) -> Result<(), StoreError> {
        const ACTION: &str = "could not use the target system";
        let mut connection = self.connection_for(ACTION).await?;
        let info = super::server::query::<D>(&mut connection, D::address(&self.pool)).await;
        let info = info.map_err(|error| super::error::store_error::<D>(ACTION, error))?;
        self.server.check::<D>(ACTION, &self.pool, &info)?;
        connection.return_unchanged();
        Ok(())
    }

    /// Takes a connection from the pool for Flamingock's own statements.
    pub(super) async fn connection(&self) -> Result<GuardedConnection<D>, sqlx::Error> {
        GuardedConnection::acquire(&self.pool).await
    }

    /// Takes a connection from the pool for an action that an error names.
    pub(super) async fn connection_for(
        &self,
        action: &'static str,
    ) -> Result<GuardedConnection<D>, StoreError> {
        let connection = self.connection().await;
        connection.map_err(|error| connection_error::<D>(action, &self.pool, error))
    }
}

impl<D: Driver> fmt::Debug for SqlDatabase<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlDatabase({})", D::KIND)
    }
}
