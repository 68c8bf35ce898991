//! A database of sqlx in which changes run.

use super::connection::Held;
use super::connection_cache::Kept;
use super::driver::Driver;
use super::error::unreachable;
use super::server::Server;
use super::store::SqlStore;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::client::Client;
use crate::target::settings::StorageSettings;
use flamingock_sqlx_audit::Ledger;
use sqlx::Pool;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A database of sqlx in which changes run.
pub(crate) struct SqlDatabase<D: Driver> {
    pub(super) pool: Pool<D::Database>,
    pub(super) ledger: Arc<Ledger<D>>,
    /// The audit, if it is in this database.
    pub(super) store: Option<Arc<SqlStore<D>>>,
    /// The connection that the changes of this run work on.
    pub(super) kept: Arc<Kept<D>>,
    /// How long a change in a transaction waits for a lock where others queue behind it.
    pub(super) lock_timeout: Option<Duration>,
    /// What answers there, where a target system is asked.
    server: Server,
    /// The session options that clients do not get, where that was asked.
    pub(super) not_adapted: tokio::sync::Mutex<Vec<(Client, Vec<String>)>>,
    /// Whether the table of markers is known to be there.
    pub(super) markers: tokio::sync::OnceCell<()>,
    /// Whether a pooler hands on the server's sessions, once that was asked.
    pub(super) is_pooled: tokio::sync::OnceCell<bool>,
}

impl<D: Driver> SqlDatabase<D> {
    pub(super) fn new(
        pool: Pool<D::Database>,
        ledger: Arc<Ledger<D>>,
        server: Server,
    ) -> SqlDatabase<D> {
        let kept = Arc::new(Kept::new(&pool, false));
        SqlDatabase {
            pool,
            ledger,
            store: None,
            kept,
            lock_timeout: None,
            server,
            not_adapted: tokio::sync::Mutex::default(),
            markers: tokio::sync::OnceCell::new(),
            is_pooled: tokio::sync::OnceCell::new(),
        }
    }

    /// Does as the runner's settings say.
    pub(super) fn set(&mut self, settings: &StorageSettings) {
        self.lock_timeout = settings.lock_timeout;
        self.kept = Arc::new(Kept::new(&self.pool, settings.parallel_stages == 1));
    }

    /// Refuses a target system of which no test proves that its markers tell the truth. Waits while it
    /// takes no writes: during a fail-over the address leads to the next writer sooner or later.
    pub(super) async fn know_the_server(&self) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.ledger.patience();
        while !self.server.is_known() {
            match self.ask_the_server().await {
                Err(error)
                    if error.kind == StoreErrorKind::ReadOnly && Instant::now() < deadline =>
                {
                    tokio::time::sleep(super::timing::PAUSE).await;
                }
                asked => return asked,
            }
        }
        Ok(())
    }

    /// The connection is closed unless it leads to a server that takes writes.
    async fn ask_the_server(&self) -> Result<(), StoreError> {
        const ACTION: &str = "could not use the target system";
        let taken = self.connection().await;
        let mut held = taken.map_err(|error| unreachable::<D>(ACTION, &self.pool, error))?;
        let facts = super::server::ask::<D>(&mut held, D::place(&self.pool)).await;
        let facts = facts.map_err(|error| super::error::failed::<D>(ACTION, error))?;
        self.server.judge::<D>(ACTION, &self.pool, &facts)?;
        held.return_unchanged();
        Ok(())
    }

    /// A connection for a statement of ours beside those of changes.
    pub(super) async fn connection(&self) -> Result<Held<D>, sqlx::Error> {
        Held::take(&self.pool).await
    }
}

impl<D: Driver> fmt::Debug for SqlDatabase<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlDatabase({})", D::KIND)
    }
}
