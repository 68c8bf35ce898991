//! A connection that is held for one piece of work.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::{Conn, Failure};
use sqlx::Pool;
use sqlx::pool::PoolConnection;

use super::brake::Brake;
use super::driver::Driver;
use super::store::BUSY_PAUSE;
use crate::silence;

/// A connection out of a pool that is closed, and not given back, unless it was found clean: an
/// open transaction or a statement that still runs must not reach the pool's next user.
#[derive(Debug)]
pub(super) struct Held<D: Driver> {
    connection: PoolConnection<D::Database>,
    /// Stops its statements, where that can be done from within the process.
    brake: Option<Brake>,
    clean: bool,
}

impl<D: Driver> Held<D> {
    /// A new connection to a shared in-memory database is refused while somebody creates tables in
    /// it: that is worth waiting for.
    pub(super) async fn take(pool: &Pool<D::Database>) -> Result<Held<D>, sqlx::Error> {
        let deadline = Instant::now() + PATIENCE_TO_CONNECT;
        // The pool has a limit of its own.
        let _takes_its_time = silence::accounted();
        loop {
            match pool.acquire().await {
                Ok(connection) => {
                    return Ok(Held {
                        connection,
                        brake: None,
                        clean: false,
                    });
                }
                Err(error) if D::classify(&error) == Failure::Busy && Instant::now() < deadline => {
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Without the round trip that tells whether an idle connection still lives; the first
    /// statement tells.
    pub(super) fn take_idle(pool: &Pool<D::Database>) -> Option<Held<D>> {
        Some(Held {
            connection: pool.try_acquire()?,
            brake: None,
            clean: false,
        })
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

/// The connection on which the changes of a run have worked, from one to the next. What they have
/// set on it (a search path, a role, a time-out) must not reach the application, so it is closed when
/// the run ends, and as soon as anybody else of the run might wait for it.
#[derive(Debug)]
pub(super) struct Kept<D: Driver> {
    held: Mutex<Option<Held<D>>>,
    /// A database in this process's memory is gone with its last connection.
    returns: bool,
}

impl<D: Driver> Kept<D> {
    pub(super) fn new(in_memory: bool) -> Kept<D> {
        Kept {
            held: Mutex::new(None),
            returns: in_memory,
        }
    }

    pub(super) fn take(&self) -> Option<Held<D>> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(super) fn keep(&self, held: Held<D>) {
        if self.returns {
            held.return_unchanged();
        } else {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        }
    }

    /// Closes a connection on which something of the user ran.
    pub(super) fn close(&self, held: Held<D>) {
        if self.returns {
            held.return_unchanged();
        }
    }

    pub(super) fn let_go(&self) {
        drop(self.take());
    }

    /// Makes room in a pool of one connection.
    pub(super) fn make_room(&self, pool: &Pool<D::Database>) {
        if pool.options().get_max_connections() == 1 {
            self.let_go();
        }
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

/// How long a busy database is asked for a connection.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(30);

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
