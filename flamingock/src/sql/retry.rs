//! What the store does on a connection of the pool, and how often.

use super::server::ask;
use super::sessions::end_open;
use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::Whose;
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::Failure;
use sqlx::Pool;

use super::connection::Held;
use super::connection_cache::Kept;
use super::driver::Driver;
use super::error::failed;
use super::error::unreachable;
use super::store::SqlStore;
use super::timing::BUSY_PAUSE;
use crate::audit::store_error::StoreError;

/// How long a statement of ours is waited for at least, however short the lock's wait is.
const SHORTEST_WAIT: Duration = Duration::from_secs(10);

/// Something that is done on a connection of the pool, again while somebody else writes, or where it
/// lost against somebody else. A connection that turns out to be dead is replaced once: it was taken
/// without asking it.
pub(super) struct Tries<'a, D: Driver> {
    pool: &'a Pool<D::Database>,
    kept: &'a Kept<D>,
    action: &'static str,
    deadline: Instant,
    /// Whether what is done changes nothing, neither in the database nor on its connection.
    reads: bool,
    untested: bool,
    begun: bool,
}

impl<'a, D: Driver> Tries<'a, D> {
    pub(super) fn of(store: &'a SqlStore<D>, action: &'static str, reads: bool) -> Tries<'a, D> {
        let deadline = Instant::now() + store.ledger.patience();
        Tries {
            pool: &store.pool,
            kept: &store.kept,
            action,
            deadline,
            reads,
            untested: false,
            begun: false,
        }
    }

    pub(super) async fn connection(&mut self) -> Result<Held<D>, StoreError> {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(held) = Held::take_idle(self.pool)
        {
            self.untested = true;
            return Ok(held);
        }
        self.untested = false;
        Held::take(self.pool)
            .await
            .map_err(|error| unreachable::<D>(self.action, self.pool, error))
    }

    /// A network that has gone silent answers nothing, for longer than anybody may wait.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left.max(SHORTEST_WAIT), work).await {
            Ok(result) => result,
            Err(_) => Err(sqlx::Error::Io(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            ))),
        }
    }

    /// Whether the answer was waited for until no time was left.
    fn is_over(&self, error: &sqlx::Error) -> bool {
        let timed_out =
            matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut);
        timed_out && Instant::now() >= self.deadline
    }

    /// Gives a connection back on which nothing but one statement has failed; closes another.
    fn let_go(&self, held: Held<D>, alone: bool) {
        if alone {
            held.return_unchanged();
        } else {
            self.kept.close_ours(held);
        }
    }

    /// None: it is to be done again.
    pub(super) async fn judge<T>(
        &self,
        held: Held<D>,
        result: Result<T, sqlx::Error>,
    ) -> Result<Option<T>, StoreError> {
        let error = match result {
            Ok(value) => {
                held.return_unchanged();
                return Ok(Some(value));
            }
            Err(error) => error,
        };
        let kind = D::classify(&error);
        // The server stops at the statement of a text that fails: what came before it, and what was to
        // come behind it, decide about the connection. SQLite's statements see to that themselves.
        let alone = self.reads || D::DIALECT.has_one_writer;
        match kind {
            // A connection that was dead before; one that was silent until the end of the wait is another case.
            Failure::Disconnected if self.untested && !self.is_over(&error) => return Ok(None),
            // Nothing of it is there. Where the database isolates strictly, two that create the tables
            // at once conflict.
            Failure::Busy | Failure::Serialization | Failure::Deadlock
                if Instant::now() < self.deadline =>
            {
                self.let_go(held, alone);
                tokio::time::sleep(BUSY_PAUSE).await;
                return Ok(None);
            }
            Failure::MissingTable | Failure::Refused | Failure::Denied => self.let_go(held, alone),
            // Who knows what state it is in: it is closed.
            _ => {}
        }
        Err(failed::<D>(self.action, error))
    }
}

/// Does something on a connection of the store's pool: `tries!(store, "action", |connection| ..)`. The
/// connection is closed if that fails: a text may have set something on it.
macro_rules! tries {
    ($store:expr, $action:literal, |$connection:ident| $work:expr) => {
        tries!($store, $action, false, |$connection| $work)
    };
    ($store:expr, $action:literal, $reads:literal, |$connection:ident| $work:expr) => {
        async {
            let mut tries = Tries::of($store, $action, $reads);
            loop {
                let mut held = tries.connection().await?;
                let $connection = &mut *held;
                let result = tries.bounded($work).await;
                if let Some(value) = tries.judge(held, result).await? {
                    break Ok::<_, StoreError>(value);
                }
            }
        }
        .await
    };
}
pub(super) use tries;

/// The same for statements that only read, and set nothing.
macro_rules! reads {
    ($store:expr, $action:literal, |$connection:ident| $work:expr) => {
        tries!($store, $action, true, |$connection| $work)
    };
}
pub(super) use reads;

impl<D: Driver> SqlStore<D> {
    /// Refuses what no test proves, and a server that takes no writes, before anything is written there:
    /// one statement a run.
    pub(super) async fn know_the_server(&self) -> Result<(), StoreError> {
        const ACTION: &str = "could not take the lock";
        if self.server.is_known() {
            return Ok(());
        }
        let mut tries = Tries::of(self, ACTION, true);
        loop {
            let mut held = tries.connection().await?;
            let asked = tries
                .bounded(ask::<D>(&mut held, D::place(&self.pool)))
                .await;
            let judged = asked
                .as_ref()
                .ok()
                .map(|facts| self.server.judge::<D>(ACTION, &self.pool, facts));
            // A connection to a server that takes no writes is closed: the next one may lead elsewhere.
            if let Some(Err(error)) = judged {
                return Err(error);
            }
            if tries.judge(held, asked).await?.is_none() {
                continue;
            }
            if let Some(Ok(true)) = judged {
                self.ledger.write_lock_with_entries();
            }
            return Ok(());
        }
    }

    /// Ends the sessions of everybody but this owner.
    pub(super) async fn end_others(&self, grant: &leaf::LockGrant) -> Result<Vec<i64>, StoreError> {
        tries!(self, "could not take the lock over", |connection| {
            end_open(connection, &self.ledger, grant, Whose::Others)
        })
    }
}
