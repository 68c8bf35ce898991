//! Connections of changes: each change gets one on which nothing has worked before.
//!
//! What a change leaves on its session (variables, temporary tables, roles, prepared statements) can't be
//! told from its text: a function or a trigger of the database may have left it. A reset by the server
//! would also undo what the application's pool sets on its connections. So the session ends with the
//! change, and the next one's is opened while it runs. It is no connection of the application's pool, of
//! which a change may need every other one.
//!
//! Consecutive files share a cached connection if their texts neither set nor read session state. A server
//! could still run a trigger or a default for them that does, so it is asked first. The answer stays true:
//! no file that shares the connection can create such code, and any other change ends the sharing. Parallel
//! stages share none, because a change of another stage could create such code meanwhile.

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

/// The number of consecutive files that get a connection each before a server is asked whether the next ones
/// may share one. For a few files, the question would cost more than it saves.
const IN_A_ROW: usize = 4;

/// How long opening one may take before the server is given room for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connections of the changes of a run at one database.
#[derive(Debug)]
pub(super) struct Kept<D: Driver> {
    /// A database in this process's memory is gone with its last connection.
    in_memory: bool,
    /// Whether only one stage runs at a time.
    is_in_order: bool,
    of_files: Mutex<OfFiles<D>>,
    ahead: Mutex<VecDeque<Ahead<D>>>,
    /// Whether the server gives so few connections that the pool's own idle ones are in the way.
    is_tight: AtomicBool,
    /// What makes a session that of a client, once it was asked.
    adapting: tokio::sync::Mutex<Vec<(Client, String)>>,
}

/// Consecutive files that leave their session alone.
#[derive(Debug)]
struct OfFiles<D: Driver> {
    /// A cached connection that only such files have used. To open one, SQLite reads the whole schema, and a
    /// server authenticates the user.
    connection: Option<(Client, Held<D>)>,
    /// The number of these files since the last other change.
    in_a_row: usize,
    /// Whether they share a connection.
    is_shared: bool,
    /// Whether the database runs code for them that may use session state. Asked once.
    runs_code: bool,
}

impl<D: Driver> Default for OfFiles<D> {
    fn default() -> Self {
        OfFiles {
            connection: None,
            in_a_row: 0,
            is_shared: false,
            runs_code: false,
        }
    }
}

impl<D: Driver> OfFiles<D> {
    /// Closes the cached connection, because another change comes.
    fn end(&mut self) {
        self.connection = None;
        self.in_a_row = 0;
        self.is_shared = false;
    }
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
    pub(super) fn new(pool: &Pool<D::Database>, is_in_order: bool) -> Kept<D> {
        Kept {
            is_in_order,
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

    /// A connection on which nothing has worked.
    pub(super) async fn take(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
    ) -> Result<Held<D>, sqlx::Error> {
        self.end_sharing();
        self.take_new(pool, client).await
    }

    /// One that was opened ahead may have died since.
    async fn take_new(
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

    /// The same for a file that leaves its session alone: a new connection, or one that only such files have
    /// used.
    pub(super) async fn take_for_files(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
    ) -> Result<Held<D>, sqlx::Error> {
        let asks = {
            let mut files = locked(&self.of_files);
            files.in_a_row += 1;
            let kept = files.connection.take().filter(|(of, _)| *of == client);
            if let Some((_, mut held)) = kept {
                held.is_untested = true;
                return Ok(held);
            }
            self.is_in_order && !files.runs_code && files.in_a_row > IN_A_ROW
        };
        let mut held = self.take_new(pool, client).await?;
        match D::RUNS_NO_CODE {
            None => held.is_of_files = !self.in_memory && !D::has_own_tables(&mut held).await?,
            Some(ask) if asks => match send::<D>(&mut held, ask.to_owned()).await {
                Ok(mut answer) => {
                    let answer = answer.rows.first_mut().map(|row| row.text(0));
                    held.is_of_files = answer.as_deref() == Some("1");
                    let mut files = locked(&self.of_files);
                    files.is_shared = held.is_of_files;
                    files.runs_code = !held.is_of_files;
                }
                Err(error) => {
                    tracing::debug!(%error, "files get a connection each: could not ask the database whether it runs code for them");
                    locked(&self.of_files).runs_code = true;
                    held = self.open(pool, client).await?;
                }
            },
            Some(_) => {}
        }
        Ok(held)
    }

    /// Caches the connection of such a file for the next one.
    pub(super) fn keep_for_files(&self, held: Held<D>, client: Client) {
        let mut files = locked(&self.of_files);
        if D::RUNS_NO_CODE.is_none() || files.is_shared {
            files.connection = Some((client, held));
        }
    }

    /// Closes the cached connection of files where other changes may create code that runs for them.
    pub(super) fn end_sharing(&self) {
        if D::RUNS_NO_CODE.is_some() {
            locked(&self.of_files).end();
        }
    }

    /// Whether the next file that leaves its session alone needs no connection of its own.
    pub(super) fn is_shared_by_files(&self) -> bool {
        locked(&self.of_files).is_shared
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
        locked(&self.of_files).end();
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
