//! A connection that is held for one piece of work.

use super::driver::send;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Conn, Failure};
use sqlx::Pool;
use sqlx::pool::PoolConnection;

use super::brake::Brake;
use super::driver::Driver;
use super::timing::BUSY_PAUSE;
use crate::change::client::Client;
use crate::lock::silence;

/// A connection out of a pool that is closed, and not given back, unless it was found clean: an
/// open transaction or a statement that still runs must not reach the pool's next user.
#[derive(Debug)]
pub(crate) struct Held<D: Driver> {
    connection: PoolConnection<D::Database>,
    /// Stops its statements, where that can be done from within the process.
    brake: Option<Brake>,
    clean: bool,
    /// What brings its session back to what it was, where it can't be closed.
    pub(super) restoring: Vec<String>,
    /// Whether it was opened some time ago, and may have died since.
    pub(super) is_untested: bool,
    /// Whether it is known that a transaction on it can be rolled back.
    pub(super) can_roll_back: bool,
    /// Whether only files that leave their session alone use it.
    pub(super) is_of_files: bool,
}

impl<D: Driver> Held<D> {
    pub(super) fn of(connection: PoolConnection<D::Database>) -> Held<D> {
        Held {
            connection,
            brake: None,
            clean: false,
            restoring: Vec::new(),
            is_untested: false,
            can_roll_back: false,
            is_of_files: false,
        }
    }

    /// A new connection to a shared in-memory database is refused while somebody creates tables in
    /// it: that is worth waiting for. So is a server that gives few connections and has not seen yet that
    /// one was closed.
    pub(super) async fn take(pool: &Pool<D::Database>) -> Result<Held<D>, sqlx::Error> {
        let began = Instant::now();
        // The pool has a limit of its own.
        let _takes_its_time = silence::accounted();
        loop {
            let error = match pool.acquire().await {
                Ok(connection) => return Ok(Held::of(connection)),
                Err(error) => error,
            };
            let is_busy = D::classify(&error) == Failure::Busy;
            let patience = match is_busy {
                true => PATIENCE_TO_CONNECT,
                false => PATIENCE_WITH_A_CROWD,
            };
            if !(is_busy || D::is_crowded(&error)) || began.elapsed() >= patience {
                return Err(error);
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    /// Without the round trip that tells whether an idle connection still lives; the first
    /// statement tells.
    pub(super) fn take_idle(pool: &Pool<D::Database>) -> Option<Held<D>> {
        pool.try_acquire().map(Held::of)
    }

    /// Makes it ready for what the user runs on it: that can be stopped, and undone.
    pub(super) async fn prepare(&mut self) -> Result<(), sqlx::Error> {
        if self.brake.is_none() {
            self.brake = D::brake(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Stops what it is doing, where that can be done from within the process.
    pub(super) fn stop(&self) {
        if let Some(brake) = &self.brake {
            brake.pull();
        }
    }

    /// Lets it go on with other statements.
    pub(super) fn go_on(&self) {
        if let Some(brake) = &self.brake {
            brake.release();
        }
    }

    /// Gives a connection back to its pool on which nothing of the user ran.
    pub(super) fn return_unchanged(mut self) {
        self.clean = true;
    }
}

/// A pool of one connection to the same database, with the same options and hooks as the
/// application's, so that nothing of ours waits for the connection that a change holds.
pub(super) fn aside<D: Driver>(pool: &Pool<D::Database>) -> Pool<D::Database> {
    let options = pool.options().clone();
    let options = options
        .max_connections(1)
        .min_connections(0)
        .acquire_timeout(PATIENCE_ASIDE);
    options.connect_lazy_with(D::impatient((*pool.connect_options()).clone()))
}

/// The same for one change: with the pool's own patience, and the options of the change's client.
pub(super) fn apart<D: Driver>(pool: &Pool<D::Database>, client: Client) -> Pool<D::Database> {
    let options = pool.options().clone();
    let options = options.max_connections(1).min_connections(0);
    options.connect_lazy_with(D::options_of((*pool.connect_options()).clone(), client))
}

/// How long a busy database is asked for a connection.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(30);

/// How long a server may take to see that a connection was closed.
const PATIENCE_WITH_A_CROWD: Duration = Duration::from_secs(5);

/// How long a connection aside may take to be made.
const PATIENCE_ASIDE: Duration = Duration::from_secs(5);

impl<D: Driver> Deref for Held<D> {
    type Target = Conn<D>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Driver> DerefMut for Held<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<D: Driver> Drop for Held<D> {
    fn drop(&mut self) {
        if !self.clean {
            // A statement that nobody waits for would keep its thread, and what it has locked.
            self.stop();
            self.connection.close_on_drop();
        }
    }
}

/// How long the connection of a dropped function may take to come to rest.
pub(super) const REST: Duration = Duration::from_secs(10);

/// Whether what the function left running at the server has ended.
pub(crate) async fn comes_to_rest<D: Driver>(held: &mut Held<D>) -> bool {
    held.stop();
    let answer = tokio::time::timeout(REST, send::<D>(held, "SELECT 1".to_owned())).await;
    let at_rest = match answer {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => D::classify(&error) != Failure::Disconnected,
        Err(_) => false,
    };
    if at_rest {
        held.go_on();
    }
    at_rest
}
