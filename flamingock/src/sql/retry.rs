//! Running statements of the store on a connection of the pool, with retries.

use std::time::{Duration, Instant};

use flamingock_sqlx_audit::Failure;
use sqlx::Pool;

use super::connection::GuardedConnection;
use super::connection_cache::ConnectionCache;
use super::driver::Driver;
use super::error::{connection_error, store_error};
use super::server::query;
use super::store::SqlStore;
use super::timing::BUSY_PAUSE;
use crate::audit::store_error::StoreError;

/// The minimum time limit of a statement, however short the wait for the lock is.
const MIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs statements on a connection of the pool. Repeats them while another session writes, or if
/// they lost a conflict with another session. Replaces a dead connection once, because the first
/// one is taken without a check.
pub(super) struct Retry<'a, D: Driver> {
    pool: &'a Pool<D::Database>,
    cache: &'a ConnectionCache<D>,
    action: &'static str,
    deadline: Instant,
    /// Whether the statements change nothing, neither in the database nor in the session.
    is_read: bool,
    may_be_dead: bool,
    has_begun: bool,
}

impl<'a, D: Driver> Retry<'a, D> {
    pub(super) fn new(store: &'a SqlStore<D>, action: &'static str, is_read: bool) -> Retry<'a, D> {
        let deadline = Instant::now() + store.ledger.patience();
        Retry {
            pool: &store.pool,
            cache: &store.cache,
            action,
            deadline,
            is_read,
            may_be_dead: false,
            has_begun: false,
        }
    }

    pub(super) async fn connection(&mut self) -> Result<GuardedConnection<D>, StoreError> {
        if !std::mem::replace(&mut self.has_begun, true)
            && let Some(guard) = GuardedConnection::try_acquire_idle(self.pool)
        {
            self.may_be_dead = true;
            return Ok(guard);
        }
        self.may_be_dead = false;
        GuardedConnection::acquire(self.pool)
            .await
            .map_err(|error| connection_error::<D>(self.action, self.pool, error))
    }

    /// Runs the statements with a time limit: a network that drops packets never answers.
    pub(super) async fn with_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left.max(MIN_TIMEOUT), work).await {
            Ok(result) => result,
            Err(_) => Err(sqlx::Error::Io(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            ))),
        }
    }

    /// Reports whether no answer came before the deadline.
    fn has_timed_out(&self, error: &sqlx::Error) -> bool {
        let timed_out =
            matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut);
        timed_out && Instant::now() >= self.deadline
    }

    /// Returns a connection on which a single statement failed. Closes any other.
    fn release(&self, guard: GuardedConnection<D>, is_unharmed: bool) {
        if is_unharmed {
            guard.return_unchanged();
        } else {
            self.cache.close_after_error(guard);
        }
    }

    /// Returns `None` if the statements must run again.
    pub(super) async fn finish<T>(
        &self,
        guard: GuardedConnection<D>,
        result: Result<T, sqlx::Error>,
    ) -> Result<Option<T>, StoreError> {
        let error = match result {
            Ok(value) => {
                guard.return_unchanged();
                return Ok(Some(value));
            }
            Err(error) => error,
        };
        let kind = D::classify(&error);
        // A server stops at the statement that fails. Statements before and after it can have
        // changed the session, except on SQLite, whose statements restore it themselves.
        let is_unharmed = self.is_read || D::DIALECT.has_one_writer;
        match kind {
            // The connection was dead before. Silence until the deadline is a different case.
            Failure::Disconnected if self.may_be_dead && !self.has_timed_out(&error) => {
                return Ok(None);
            }
            // Nothing was written. On databases with strict isolation, two sessions that create the
            // tables at once conflict.
            Failure::Busy | Failure::Serialization | Failure::Deadlock
                if Instant::now() < self.deadline =>
            {
                self.release(guard, is_unharmed);
                tokio::time::sleep(BUSY_PAUSE).await;
                return Ok(None);
            }
            Failure::MissingTable | Failure::Refused | Failure::Denied => {
                self.release(guard, is_unharmed);
            }
            // The state of the connection is unknown, so it is closed.
            _ => {}
        }
        Err(store_error::<D>(self.action, error))
    }
}

/// Runs statements on a connection of the store's pool: `retry!(store, "action", |connection| ..)`.
/// The connection is closed if they fail, because they may have changed the session.
macro_rules! retry {
    ($store:expr, $action:literal, |$connection:ident| $work:expr) => {
        retry!($store, $action, false, |$connection| $work)
    };
    ($store:expr, $action:literal, $is_read:literal, |$connection:ident| $work:expr) => {
        async {
            let mut retry = Retry::new($store, $action, $is_read);
            loop {
                let mut guard = retry.connection().await?;
                let $connection = &mut *guard;
                let result = retry.with_timeout($work).await;
                if let Some(value) = retry.finish(guard, result).await? {
                    break Ok::<_, StoreError>(value);
                }
            }
        }
        .await
    };
}
pub(super) use retry;

/// The same for statements that only read and do not change the session.
macro_rules! retry_read {
    ($store:expr, $action:literal, |$connection:ident| $work:expr) => {
        retry!($store, $action, true, |$connection| $work)
    };
}
pub(super) use retry_read;

impl<D: Driver> SqlStore<D> {
    /// Refuses an untested or read-only server before anything is written. That takes one statement
    /// a run.
    pub(super) async fn check_server(&self) -> Result<(), StoreError> {
        const ACTION: &str = "could not take the lock";
        if self.server.is_checked() {
            return Ok(());
        }
        let mut retry = Retry::new(self, ACTION, true);
        loop {
            let mut guard = retry.connection().await?;
            let asked = retry
                .with_timeout(query::<D>(&mut guard, D::address(&self.pool)))
                .await;
            let judged = asked
                .as_ref()
                .ok()
                .map(|info| self.server.check::<D>(ACTION, &self.pool, info));
            // A connection to a read-only server is closed: the next one may lead to another
            // server.
            if let Some(Err(error)) = judged {
                return Err(error);
            }
            if retry.finish(guard, asked).await?.is_none() {
                continue;
            }
            if let Some(Ok(true)) = judged {
                self.ledger.write_lock_with_entries();
            }
            return Ok(());
        }
    }
}
