//! A connection of the pool that is closed after use unless it is known to be unchanged.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Conn, Failure};
use sqlx::Pool;
use sqlx::pool::PoolConnection;

use super::driver::{Driver, send};
use super::interrupt_flag::InterruptFlag;
use super::timing::BUSY_PAUSE;
use crate::change::client::Client;
use crate::lock::silence;

/// A connection of the pool. When it is dropped it is closed, unless it was returned as unchanged:
/// an open transaction or a running statement must not reach the pool's next user.
#[derive(Debug)]
pub(crate) struct GuardedConnection<D: Driver> {
    connection: PoolConnection<D::Database>,
    /// Interrupts its statements, if the database is in this process.
    interrupt_flag: Option<InterruptFlag>,
    is_unchanged: bool,
    /// The statements that restore its session, if it cannot be closed.
    pub(super) restore_statements: Vec<String>,
    /// Whether it was opened some time ago, so that it may be dead.
    pub(super) may_be_dead: bool,
    /// Whether a transaction on it is known to be reversible.
    pub(super) can_roll_back: bool,
    /// Whether it is used only by files that neither set nor read session state.
    pub(super) is_for_files: bool,
    /// The mark by which another connection finds its session.
    pub(super) mark: Option<String>,
}

impl<D: Driver> GuardedConnection<D> {
    pub(super) fn new(connection: PoolConnection<D::Database>) -> GuardedConnection<D> {
        GuardedConnection {
            connection,
            interrupt_flag: None,
            is_unchanged: false,
            restore_statements: Vec::new(),
            may_be_dead: false,
            can_roll_back: false,
            is_for_files: false,
            mark: None,
        }
    }

    /// Takes a connection from the pool. Retries in two cases: a shared in-memory database refuses
    /// a connection while its tables are created, and a server at its connection limit may not have
    /// noticed yet that a connection was closed.
    pub(super) async fn acquire(
        pool: &Pool<D::Database>,
    ) -> Result<GuardedConnection<D>, sqlx::Error> {
        let began = Instant::now();
        // The pool has a timeout of its own.
        let _uncounted = silence::accounted();
        loop {
            let error = match pool.acquire().await {
                Ok(connection) => return Ok(GuardedConnection::new(connection)),
                Err(error) => error,
            };
            let is_busy = D::classify(&error) == Failure::Busy;
            let patience = match is_busy {
                true => BUSY_PATIENCE,
                false => FULL_SERVER_PATIENCE,
            };
            if !(is_busy || D::is_too_many_connections(&error)) || began.elapsed() >= patience {
                return Err(error);
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    /// Takes an idle connection, without the round trip that checks it. The first statement shows
    /// whether it is dead.
    pub(super) fn try_acquire_idle(pool: &Pool<D::Database>) -> Option<GuardedConnection<D>> {
        pool.try_acquire().map(GuardedConnection::new)
    }

    /// Prepares the connection for the user's statements, so that they can be interrupted.
    pub(super) async fn prepare(&mut self) -> Result<(), sqlx::Error> {
        if self.interrupt_flag.is_none() {
            self.interrupt_flag = D::interrupt_flag(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Interrupts the running statement, if the database is in this process.
    pub(super) fn interrupt(&self) {
        if let Some(interrupt_flag) = &self.interrupt_flag {
            interrupt_flag.set();
        }
    }

    /// Allows statements again.
    pub(super) fn allow_statements(&self) {
        if let Some(interrupt_flag) = &self.interrupt_flag {
            interrupt_flag.clear();
        }
    }

    /// Returns the connection to the pool. No statement of the user ran on it.
    pub(super) fn return_unchanged(mut self) {
        self.is_unchanged = true;
    }
}

/// Creates a pool of one connection to the same database, with the options and hooks of the
/// application's pool, so that Flamingock's own statements do not wait for the connections of
/// changes.
pub(super) fn auxiliary_pool<D: Driver>(pool: &Pool<D::Database>) -> Pool<D::Database> {
    let options = pool.options().clone();
    let options = options
        .max_connections(1)
        .min_connections(0)
        .acquire_timeout(AUXILIARY_PATIENCE);
    options.connect_lazy_with(D::with_short_busy_timeout(
        (*pool.connect_options()).clone(),
    ))
}

/// Creates such a pool for the connection of one change: with the timeout of the application's pool
/// and the options of the change's client.
pub(super) fn change_pool<D: Driver>(
    pool: &Pool<D::Database>,
    client: Client,
) -> Pool<D::Database> {
    let options = pool.options().clone();
    let options = options.max_connections(1).min_connections(0);
    options.connect_lazy_with(D::client_options((*pool.connect_options()).clone(), client))
}

/// How long to retry while a database is busy.
const BUSY_PATIENCE: Duration = Duration::from_secs(30);

/// How long to retry while a server is at its connection limit.
const FULL_SERVER_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for a connection of an auxiliary pool.
const AUXILIARY_PATIENCE: Duration = Duration::from_secs(5);

impl<D: Driver> Deref for GuardedConnection<D> {
    type Target = Conn<D>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Driver> DerefMut for GuardedConnection<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<D: Driver> Drop for GuardedConnection<D> {
    fn drop(&mut self) {
        if !self.is_unchanged {
            // An abandoned statement would keep its thread and its locks.
            self.interrupt();
            self.connection.close_on_drop();
        }
    }
}

/// How long to wait until the connection of a dropped function is idle.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits until the statement that a dropped function left behind has ended. Returns whether it has.
pub(crate) async fn wait_until_idle<D: Driver>(connection: &mut GuardedConnection<D>) -> bool {
    connection.interrupt();
    let answer =
        tokio::time::timeout(IDLE_TIMEOUT, send::<D>(connection, "SELECT 1".to_owned())).await;
    let is_idle = match answer {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => D::classify(&error) != Failure::Disconnected,
        Err(_) => false,
    };
    if is_idle {
        connection.allow_statements();
    }
    is_idle
}
