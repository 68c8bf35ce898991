//! The connections of changes. Each change gets a connection that no other change used.
//!
//! The text of a change does not show what it leaves on its session (variables, temporary tables,
//! roles, prepared statements), because a function or a trigger of the database can change the
//! session as well. A reset by the server would also undo the settings of the application's pool.
//! Therefore the session ends with its change, and the connection for the next change is opened
//! while this one runs. It does not count towards the application's pool, because a change may need
//! all connections of that pool.
//!
//! Consecutive files share a cached connection if their texts neither set nor read session state. A
//! server could still run a trigger or a default for them that does, so it is queried first. The
//! answer stays true: no file that shares the connection can create such code, and any other change
//! ends the sharing. In parallel stages nothing is shared, because a change of another stage could
//! create such code meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flamingock_sqlx_audit::Failure;
use sqlx::Pool;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::connection::{GuardedConnection, change_pool};
use super::driver::{Driver, mark_session, send};
use super::timing::BUSY_PAUSE;
use crate::change::client::Client;
use crate::lock::silence;

/// The number of connections that may be opened ahead: for the change that begins and for the next
/// one.
const MAX_PENDING: usize = 2;

/// The number of consecutive files that get a connection each before the server is asked whether
/// the next ones may share one. For a few files, the query would cost more than it saves.
const UNSHARED_FILES: usize = 4;

/// How long to wait for a new connection before idle connections of the pool are closed.
const OPEN_PATIENCE: Duration = Duration::from_secs(2);

/// The connections of the changes of one run at one database.
#[derive(Debug)]
pub(super) struct ConnectionCache<D: Driver> {
    /// Whether the database is in the memory of this process: it is gone once its last connection
    /// closes.
    in_memory: bool,
    /// Whether only one stage runs at a time.
    is_sequential: bool,
    shared: Mutex<SharedByFiles<D>>,
    pending: Mutex<VecDeque<PendingConnection<D>>>,
    /// Whether the server has so few connections that the idle ones of the pool must be closed
    /// first.
    is_server_full: AtomicBool,
    /// The statements that make a session look like that of a client, once they were determined.
    client_setup: tokio::sync::Mutex<Vec<(Client, String)>>,
}

/// Consecutive files that neither set nor read session state.
#[derive(Debug)]
struct SharedByFiles<D: Driver> {
    /// The cached connection, which only such files used. To open one, SQLite reads the whole
    /// schema, and a server authenticates the user.
    connection: Option<(Client, GuardedConnection<D>)>,
    /// The number of these files since the last other change.
    consecutive: usize,
    /// Whether they share a connection.
    is_shared: bool,
    /// Whether the database runs code for them that may use session state. Determined once.
    runs_code: bool,
}

impl<D: Driver> Default for SharedByFiles<D> {
    fn default() -> Self {
        SharedByFiles {
            connection: None,
            consecutive: 0,
            is_shared: false,
            runs_code: false,
        }
    }
}

impl<D: Driver> SharedByFiles<D> {
    /// Closes the cached connection, because a different change comes next.
    fn end(&mut self) {
        self.connection = None;
        self.consecutive = 0;
        self.is_shared = false;
    }
}

/// A connection that is being opened for a change that has not begun.
#[derive(Debug)]
struct PendingConnection<D: Driver> {
    client: Client,
    opening: JoinHandle<Result<GuardedConnection<D>, sqlx::Error>>,
}

impl<D: Driver> Drop for PendingConnection<D> {
    fn drop(&mut self) {
        self.opening.abort();
    }
}

impl<D: Driver> ConnectionCache<D> {
    pub(super) fn new(pool: &Pool<D::Database>, is_sequential: bool) -> ConnectionCache<D> {
        ConnectionCache {
            is_sequential,
            in_memory: D::in_memory_name(pool).is_some(),
            shared: Mutex::default(),
            pending: Mutex::default(),
            is_server_full: AtomicBool::new(pool.options().get_max_connections() == 1),
            client_setup: tokio::sync::Mutex::default(),
        }
    }

    /// Begins to open the connection of the next change, if the database is on a server.
    pub(super) fn open_ahead(
        self: &std::sync::Arc<Self>,
        pool: &Pool<D::Database>,
        client: Client,
    ) {
        if D::DIALECT.has_one_writer || self.is_server_full.load(Ordering::Relaxed) {
            return;
        }
        let mut pending = locked(&self.pending);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if pending.len() < MAX_PENDING {
            let (cache, pool) = (std::sync::Arc::clone(self), pool.clone());
            pending.push_back(PendingConnection {
                client,
                opening: runtime.spawn(async move { cache.open(&pool, client).await }),
            });
        }
    }

    /// Returns a connection that no other change used.
    pub(super) async fn acquire(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
    ) -> Result<GuardedConnection<D>, sqlx::Error> {
        self.end_sharing();
        self.acquire_new(pool, client).await
    }

    /// Returns a connection that no other change used. One that was opened ahead may be dead by
    /// now.
    async fn acquire_new(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
    ) -> Result<GuardedConnection<D>, sqlx::Error> {
        let pending = {
            let mut pending = locked(&self.pending);
            let place = pending.iter().position(|one| one.client == client);
            place.and_then(|place| pending.remove(place))
        };
        if let Some(mut pending) = pending {
            let _uncounted = silence::accounted();
            if let Ok(Ok(mut connection)) = (&mut pending.opening).await {
                connection.may_be_dead = true;
                return Ok(connection);
            }
        }
        self.open(pool, client).await
    }

    /// Returns a connection for a file that neither sets nor reads session state: a new one, or one
    /// that only such files used.
    pub(super) async fn acquire_for_file(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
        run_id: &str,
    ) -> Result<GuardedConnection<D>, sqlx::Error> {
        let asks = {
            let mut files = locked(&self.shared);
            files.consecutive += 1;
            let cached = files.connection.take().filter(|(of, _)| *of == client);
            if let Some((_, mut connection)) = cached {
                connection.may_be_dead = true;
                return Ok(connection);
            }
            self.is_sequential && !files.runs_code && files.consecutive > UNSHARED_FILES
        };
        let mut connection = self.acquire_new(pool, client).await?;
        match D::RUNS_NO_CODE {
            None => {
                connection.is_for_files =
                    !self.in_memory && !D::has_session_tables(&mut connection).await?;
            }
            Some(question) if asks => match share(&mut connection, question, run_id).await {
                Ok(()) => {
                    let mut files = locked(&self.shared);
                    files.is_shared = connection.is_for_files;
                    files.runs_code = !connection.is_for_files;
                }
                Err(error) => {
                    tracing::debug!(%error, "could not query whether the database runs code for files: each file gets a connection of its own");
                    locked(&self.shared).runs_code = true;
                    connection = self.open(pool, client).await?;
                }
            },
            Some(_) => {}
        }
        Ok(connection)
    }

    /// Caches the connection of such a file for the next one.
    pub(super) fn cache_for_files(&self, connection: GuardedConnection<D>, client: Client) {
        let mut files = locked(&self.shared);
        if D::RUNS_NO_CODE.is_none() || files.is_shared {
            files.connection = Some((client, connection));
        }
    }

    /// Closes the cached connection of files, if other changes could create code that runs for
    /// these files.
    pub(super) fn end_sharing(&self) {
        if D::RUNS_NO_CODE.is_some() {
            locked(&self.shared).end();
        }
    }

    /// Reports whether the next file that leaves the session alone can use the cached connection.
    pub(super) fn is_shared_by_files(&self) -> bool {
        locked(&self.shared).is_shared
    }

    /// Closes a connection on which statements of the user ran. A connection to an in-memory
    /// database is cleaned up instead.
    pub(super) async fn close(&self, mut connection: GuardedConnection<D>) {
        if !self.in_memory {
            return;
        }
        let restore_statements = std::mem::take(&mut connection.restore_statements);
        if let Err(error) = D::clean_session(&mut connection, &restore_statements).await {
            tracing::warn!(%error, "could not restore the session of an in-memory database after a change");
        }
        connection.return_unchanged();
    }

    /// Closes a connection on which a statement of Flamingock failed, unless it is the only one to
    /// an in-memory database.
    pub(super) fn close_after_error(&self, connection: GuardedConnection<D>) {
        if self.in_memory {
            connection.return_unchanged();
        }
    }

    /// Closes the connections that no change uses.
    pub(super) fn release_cached(&self) {
        locked(&self.shared).end();
        drop(std::mem::take(&mut *locked(&self.pending)));
    }

    async fn open(
        &self,
        pool: &Pool<D::Database>,
        client: Client,
    ) -> Result<GuardedConnection<D>, sqlx::Error> {
        let _uncounted = silence::accounted();
        if self.in_memory {
            let mut connection = GuardedConnection::acquire(pool).await?;
            connection.restore_statements = D::restore_statements(&mut connection).await?;
            self.adapt(&mut connection, client).await?;
            return Ok(connection);
        }
        let deadline = Instant::now() + pool.options().get_acquire_timeout();
        loop {
            if self.is_server_full.load(Ordering::Relaxed) {
                evict::<D>(pool).await;
            }
            let own_pool = change_pool::<D>(pool, client);
            let mut opening = std::pin::pin!(own_pool.acquire());
            let opened = tokio::select! {
                biased;
                opened = &mut opening => opened,
                () = tokio::time::sleep(OPEN_PATIENCE) => {
                    // If the server is at its connection limit, the driver retries without an
                    // error.
                    if evict::<D>(pool).await > 0 {
                        self.is_server_full.store(true, Ordering::Relaxed);
                    }
                    opening.await
                }
            };
            match opened {
                Ok(connection) => {
                    let mut connection = GuardedConnection::new(connection);
                    self.adapt(&mut connection, client).await?;
                    return Ok(connection);
                }
                Err(error) if D::is_too_many_connections(&error) && Instant::now() < deadline => {
                    self.is_server_full.store(true, Ordering::Relaxed);
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a session look like that of a client, for what connection options could not do.
    async fn adapt(
        &self,
        connection: &mut GuardedConnection<D>,
        client: Client,
    ) -> Result<(), sqlx::Error> {
        if client == Client::Pool {
            return Ok(());
        }
        let text = {
            let mut known = self.client_setup.lock().await;
            let found = known.iter().find(|(of, _)| *of == client);
            match found {
                Some((_, text)) => text.clone(),
                None => {
                    let text = D::client_setup(connection, client, self.in_memory).await?;
                    known.push((client, text.clone()));
                    text
                }
            }
        };
        if text.is_empty() {
            return Ok(());
        }
        send::<D>(connection, text).await.map(drop)
    }
}

/// Determines whether files can share the connection. Its session is marked with the run then, if
/// that saves each file a witness.
async fn share<D: Driver>(
    connection: &mut GuardedConnection<D>,
    question: &'static str,
    run_id: &str,
) -> Result<(), sqlx::Error> {
    let mut answer = send::<D>(connection, question.to_owned()).await?;
    let answer = answer.rows.first_mut().map(|row| row.text(0));
    connection.is_for_files = answer.as_deref() == Some("1");
    let cancellation = D::CANCELLATION.filter(|cancellation| cancellation.id_by_mark.is_some());
    if let (true, Some(cancellation)) = (connection.is_for_files, cancellation) {
        connection.mark = match mark_session::<D>(connection, &cancellation, run_id).await {
            Ok(mark) => mark,
            // Without a mark, each file has a witness.
            Err(error) if D::classify(&error) != Failure::Disconnected => {
                tracing::debug!(%error, "could not mark the session of files");
                None
            }
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

/// Closes the idle connections of a pool. Returns their number.
async fn evict<D: Driver>(pool: &Pool<D::Database>) -> usize {
    let mut closed = 0;
    for _ in 0..pool.num_idle() {
        let Some(idle) = pool.try_acquire() else {
            break;
        };
        // A connection that cannot be closed properly is gone too.
        let _ = idle.close().await;
        closed += 1;
    }
    closed
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
