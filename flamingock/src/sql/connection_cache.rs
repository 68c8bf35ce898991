//! Connections of changes: each change gets one on which nothing has worked before.
//!
//! What a change leaves on its session (variables, temporary tables, roles, prepared statements) can't be
//! told from its text: a function or a trigger of the database may have left it. A reset by the server
//! would also undo what the application's pool sets on its connections. So the session ends with the
//! change, and the next one's is opened while it runs. It is no connection of the application's pool, of
//! which a change may need every other one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Pool;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::connection::{Held, apart};
use super::driver::{Driver, send};
use super::timing::BUSY_PAUSE;
use crate::change::client::Client;
use crate::lock::silence;

/// How many connections may be opened ahead: the one of the change that begins, and the next one's.
const AHEAD: usize = 2;

/// How long opening one may take before the server is given room for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connections of the changes of a run at one database.
#[derive(Debug)]
pub(super) struct Kept<D: Driver> {
    /// A database in this process's memory is gone with its last connection.
    in_memory: bool,
    /// SQLite: a connection on which files have worked that leave the session alone. To open one there
    /// reads the whole schema, and a file can't hide what it does.
    of_files: Mutex<Option<(Client, Held<D>)>>,
    ahead: Mutex<VecDeque<Ahead<D>>>,
    /// Whether the server gives so few connections that the pool's own idle ones are in the way.
    is_tight: AtomicBool,
    /// What makes a session that of a client, once it was asked.
    adapting: tokio::sync::Mutex<Vec<(Client, String)>>,
}

/// A connection that is being opened for a change that has not begun.
#[derive(Debug)]
struct Ahead<D: Driver> {
    client: Client,
    opening: JoinHandle<Result<Held<D>, sqlx::Error>>,
}

impl<D: Driver> Drop for Ahead<D> {
    fn drop(&mut self) {
        self.opening.abort();
    }
}

impl<D: Driver> Kept<D> {
    pub(super) fn new(pool: &Pool<D::Database>) -> Kept<D> {
        Kept {
            in_memory: D::memory(pool).is_some(),
            of_files: Mutex::default(),
            ahead: Mutex::default(),
            is_tight: AtomicBool::new(pool.options().get_max_connections() == 1),
            adapting: tokio::sync::Mutex::default(),
        }
    }

    /// Begins to open the connection of a change that comes soon, where a server takes its time for that.
    pub(super) fn open_ahead(
        self: &std::sync::Arc<Self>,
        pool: &Pool<D::Database>,
        client: Client,
    ) {
        if D::DIALECT.has_one_writer || self.is_tight.load(Ordering::Relaxed) {
            return;
        }
        let mut ahead = locked(&self.ahead);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if ahead.len() < AHEAD {
            let (kept, pool) = (std::sync::Arc::clone(self), pool.clone());
            ahead.push_back(Ahead {
                client,
                opening: runtime.spawn(async move { kept.open(&pool, client).await }),
            });
        }
    }

    /// A connection on which nothing has worked. One that was opened ahead may have died since.
    pub(super) async fn take(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
    ) -> Result<Held<D>, sqlx::Error> {
        let ahead = {
            let mut ahead = locked(&self.ahead);
            let place = ahead.iter().position(|one| one.client == client);
            place.and_then(|place| ahead.remove(place))
        };
        if let Some(mut ahead) = ahead {
            let _takes_its_time = silence::accounted();
            if let Ok(Ok(mut held)) = (&mut ahead.opening).await {
                held.is_untested = true;
                return Ok(held);
            }
        }
        self.open(pool, client).await
    }

    /// The same for a file of SQLite that leaves its session alone.
    pub(super) fn take_of_files(&self, client: Client) -> Option<Held<D>> {
        let kept = locked(&self.of_files).take();
        let kept = kept.filter(|(of, _)| *of == client);
        kept.map(|(_, mut held)| {
            held.is_untested = true;
            held
        })
    }

    /// Keeps the connection of such a file for the next one.
    pub(super) async fn keep_for_files(&self, held: Held<D>, client: Client) {
        if self.in_memory {
            self.close(held).await;
        } else if D::DIALECT.has_one_writer {
            *locked(&self.of_files) = Some((client, held));
        }
    }

    /// Closes a connection on which something of the user ran.
    pub(super) async fn close(&self, mut held: Held<D>) {
        if !self.in_memory {
            return;
        }
        let restoring = std::mem::take(&mut held.restoring);
        if let Err(error) = D::clean(&mut held, &restoring).await {
            tracing::warn!(%error, "what a change has left on the connection of a database in memory stays");
        }
        held.return_unchanged();
    }

    /// Closes a connection on which a statement of ours has failed.
    pub(super) fn close_ours(&self, held: Held<D>) {
        if self.in_memory {
            held.return_unchanged();
        }
    }

    /// Closes what no change is working on.
    pub(super) fn let_go(&self) {
        drop(locked(&self.of_files).take());
        drop(std::mem::take(&mut *locked(&self.ahead)));
    }

    async fn open(&self, pool: &Pool<D::Database>, client: Client) -> Result<Held<D>, sqlx::Error> {
        let _takes_its_time = silence::accounted();
        if self.in_memory {
            let mut held = Held::take(pool).await?;
            held.restoring = D::found(&mut held).await?;
            self.adapt(&mut held, client).await?;
            return Ok(held);
        }
        let deadline = Instant::now() + pool.options().get_acquire_timeout();
        loop {
            if self.is_tight.load(Ordering::Relaxed) {
                make_room::<D>(pool).await;
            }
            let apart = apart::<D>(pool, client);
            let mut opening = std::pin::pin!(apart.acquire());
            let opened = tokio::select! {
                biased;
                opened = &mut opening => opened,
                () = tokio::time::sleep(PATIENCE) => {
                    // The driver waits by itself where a server has no connection left.
                    if make_room::<D>(pool).await > 0 {
                        self.is_tight.store(true, Ordering::Relaxed);
                    }
                    opening.await
                }
            };
            match opened {
                Ok(connection) => {
                    let mut held = Held::of(connection);
                    self.adapt(&mut held, client).await?;
                    return Ok(held);
                }
                Err(error) if D::is_crowded(&error) && Instant::now() < deadline => {
                    self.is_tight.store(true, Ordering::Relaxed);
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a session that of a client, as far as the options of its connection could not.
    async fn adapt(&self, held: &mut Held<D>, client: Client) -> Result<(), sqlx::Error> {
        if client == Client::Pool {
            return Ok(());
        }
        let text = {
            let mut known = self.adapting.lock().await;
            let found = known.iter().find(|(of, _)| *of == client);
            match found {
                Some((_, text)) => text.clone(),
                None => {
                    let text = D::adapting(held, client, self.in_memory).await?;
                    known.push((client, text.clone()));
                    text
                }
            }
        };
        if text.is_empty() {
            return Ok(());
        }
        send::<D>(held, text).await.map(drop)
    }
}

/// Closes the idle connections of a pool: how many there were.
async fn make_room<D: Driver>(pool: &Pool<D::Database>) -> usize {
    let mut closed = 0;
    for _ in 0..pool.num_idle() {
        let Some(idle) = pool.try_acquire() else {
            break;
        };
        // A connection that can't be closed properly is gone, too.
        let _ = idle.close().await;
        closed += 1;
    }
    closed
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
