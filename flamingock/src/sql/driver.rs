//! What the engine needs to know of each database beside its texts.

use crate::sql::watching::Watching;
use std::path::PathBuf;
use std::time::Duration;

use flamingock_sqlx_audit::{Answer, Backend, Conn, Rendered};
use sqlx::{AssertSqlSafe, Connection, Database, Pool, Transaction};
use sqlx_core::transaction::TransactionManager;

use super::brake::Brake;
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::statements::script::Script;
use crate::target::invocation::Limits;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

pub(super) type Result<T> = std::result::Result<T, sqlx::Error>;

/// What a connection is made with.
pub(crate) type Options<D> = <Conn<D> as Connection>::Options;

/// How a statement that runs on one connection is stopped from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cancelling {
    /// Names the session of a connection, as no other session of the server ever was or will be named.
    /// None: no pooler is known that would hand it on.
    pub(super) own_session: Option<&'static str>,
    /// Marks the session of a connection, and answers what the marks of all sessions say of this one:
    /// `%tag%`.
    pub(super) mark: &'static str,
    /// Stops what the session with a mark is doing, in one statement with the look for it: `%mark%`.
    pub(super) by_mark: &'static str,
    /// Stops what the connection of an id is doing: `%id%`.
    pub(super) by_id: &'static str,
    /// Ends the connection of an id: `%id%`.
    pub(super) end_by_id: &'static str,
    /// Answers a row while the connection of an id is there: `%id%`.
    pub(super) is_there_by_id: &'static str,
    /// Answers a row while the transaction with a tag is there: `%tag%`.
    pub(super) is_there_by_tag: Option<&'static str>,
    /// Stops what the transaction with a tag is doing, where the server can find it: `%tag%`.
    pub(super) by_tag: Option<&'static str>,
}

/// A database of sqlx in which changes run.
pub(crate) trait Driver: Backend {
    const KIND: DatabaseKind;

    /// What there was before a change that is watched.
    type Watch: std::fmt::Debug + Send + Sync;

    /// Names the database if it lives in this process's memory.
    fn memory(_pool: &Pool<Self::Database>) -> Option<PathBuf> {
        None
    }

    /// The database that the application has named, where a session can move to another one.
    fn named_database(_pool: &Pool<Self::Database>) -> Option<String> {
        None
    }

    /// What stands behind a query so that the session does not limit how many rows it answers.
    const WHOLE: &'static str = "";

    /// Where a pool's connections lead, for messages: without the user and the password.
    fn place(pool: &Pool<Self::Database>) -> String;

    /// Answers what the server is and whether it takes writes: rows of a name and a value. None where
    /// the database is in this process.
    const WHAT_ANSWERS: Option<&'static str> = None;

    const CANCELLING: Option<Cancelling>;

    /// Whether a script is sent in one text with everything around it. Where the database is in this
    /// process, there is nothing to save.
    const ONE_TEXT: bool;

    /// The longest text of several scripts, in bytes, unless one script is longer: servers limit what
    /// one message may hold.
    const LONGEST_TEXT: usize = 1024 * 1024;

    /// The longest script that is sent in one text, in bytes: a longer one goes in pieces.
    const LONGEST_SCRIPT: usize = Self::LONGEST_TEXT;

    /// Asks for the setting that says what quotes mean.
    const QUOTING: Option<&'static str> = None;

    /// A script as one text that ends with no terminator that the server would not read over.
    fn as_one_text(read: &Script<'_>, text: &str) -> String {
        let _ = read;
        text.to_owned()
    }

    /// Where an error quotes what stands behind a script: the part that it says, and what of it is the
    /// script's.
    fn without_ours(_error: &sqlx::Error, _script: &str) -> Option<(String, String)> {
        None
    }

    /// What is run behind a script, to fail where a statement of it has passed over something.
    fn check_behind(_read: &Script<'_>) -> Option<String> {
        None
    }

    /// Tells what became of the transaction of a change that returned an error: empty or another
    /// tag says that it has ended. None: the savepoint tells.
    const OWN_TAG: Option<&'static str>;

    /// Tells the same of a transaction that the database has aborted, which it ends: the tag, if it was
    /// the one with this `%tag%`.
    const ABORTED_TAG: Option<&'static str> = None;

    /// Asks what the database has to say of the statement before: how many remarks there are, and then
    /// each of them, its code second.
    const REMARKS: Option<&'static str> = None;

    /// Tells whom the transaction with a tag is waiting for: `%tag%`.
    const BLOCKER: Option<&'static str> = None;

    /// Whether a statement that waits for a lock keeps everybody waiting who comes after it, so that
    /// changes wait a short time only.
    const QUEUES: bool = false;

    /// Statements of which one fails if a transaction is open on a connection that should commit each
    /// statement by itself.
    const OPEN_TRANSACTION_CHECK: &'static [&'static str];

    /// Lists what changes without transaction may have left unusable: its id, and what it is called.
    const REMAINS: Option<&'static str> = None;

    /// Sets the limits of a change's statements; none where the database has no such limits. What
    /// is set outlives the change unless it is `within` a transaction of PostgreSQL.
    fn limits(limits: &Limits, within: bool) -> Option<String>;

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c>;

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c>;

    /// What stops the statements of a connection from within the process, where no other connection
    /// can.
    fn brake(_connection: &mut Conn<Self>) -> impl Future<Output = Result<Option<Brake>>> + Send {
        async { Ok(None) }
    }

    /// Why ROLLBACK would not undo what was done on a connection, as far as that can be asked.
    fn without_rollback(
        _connection: &mut Conn<Self>,
    ) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }

    /// Options of a connection whose session is to be that of a client.
    fn options_of(options: Options<Self>, _client: Client) -> Options<Self> {
        options
    }

    /// What makes a session that of a client, where the options of its connection can't.
    fn adapting(
        _connection: &mut Conn<Self>,
        _client: Client,
        _in_memory: bool,
    ) -> impl Future<Output = Result<String>> + Send {
        async { Ok(String::new()) }
    }

    /// The options that a session has from sqlx and not from a client, since that can't be found out.
    fn not_adapted(
        _connection: &mut Conn<Self>,
        _client: Client,
    ) -> impl Future<Output = Result<Vec<String>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Whether the server gives no connection since there are too many.
    fn is_crowded(_error: &sqlx::Error) -> bool {
        false
    }

    /// What brings the session of a connection that can't be closed back to what it is now.
    fn found(_connection: &mut Conn<Self>) -> impl Future<Output = Result<Vec<String>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Removes what a change has left on such a connection.
    fn clean(
        _connection: &mut Conn<Self>,
        _found: &[String],
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Reports whether the pool's hook has left tables that only this session sees.
    fn has_own_tables(_connection: &mut Conn<Self>) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }

    /// Returns 1 if no code that the database runs for a file (triggers, views, defaults of columns) can use
    /// session state, and the pool's hook has left none that a file could change. None if nothing has to be
    /// asked.
    const RUNS_NO_CODE: Option<&'static str> = None;

    /// Makes the driver forget the statements that it keeps.
    fn forget_statements(connection: &mut Conn<Self>) -> impl Future<Output = Result<()>> + Send;

    /// Looks at what a change must not lose, where the database itself would say nothing.
    fn watch(
        _connection: &mut Conn<Self>,
        _watching: Watching,
    ) -> impl Future<Output = Result<Option<Self::Watch>>> + Send {
        async { Ok(None) }
    }

    /// Why what was done since must not be committed.
    fn objection(
        _connection: &mut Conn<Self>,
        _watch: &Self::Watch,
    ) -> impl Future<Output = Result<Option<BoxError>>> + Send {
        async { Ok(None) }
    }

    /// Why a statement of the change was undone by itself.
    fn vetoed(_watch: &Self::Watch) -> Option<BoxError> {
        None
    }

    /// What comes now is another change's.
    fn begins_again(_watch: &Self::Watch) {}

    /// Why a statement must not be run where nothing could take it back.
    fn would_lose(
        _connection: &mut Conn<Self>,
        _statement: &str,
    ) -> impl Future<Output = Result<Option<BoxError>>> + Send {
        async { Ok(None) }
    }

    /// Options of a connection that gives up soon where another one writes.
    fn impatient(options: Options<Self>) -> Options<Self> {
        options
    }

    /// Commits the outermost transaction.
    fn commit(
        connection: &mut Conn<Self>,
        patience: Duration,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Where a database of a server is.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn of_server(
    kind: DatabaseKind,
    (host, port): (&str, u16),
    socket: Option<&std::path::Path>,
    database: Option<&str>,
) -> String {
    let server = match socket {
        Some(socket) => socket.display().to_string(),
        None => format!("{host}:{port}"),
    };
    let database = match database {
        // A `/` in the password has ended the host too early, and what is left of it stands here.
        Some(name) if name.contains('@') => {
            return format!(
                "{kind}: the user name or the password in its URL has a `/`, which is written percent-encoded, as `%2F`"
            );
        }
        Some(name) => format!(", database {name:?}"),
        None => String::new(),
    };
    format!("{kind} at {server}{database}")
}

pub(super) async fn begin<D: Driver>(
    connection: &mut Conn<D>,
    text: String,
) -> Result<Transaction<'_, D::Database>> {
    connection.begin_with(AssertSqlSafe(text)).await
}

/// 1 is our own transaction, more are nested ones that the change has left open.
pub(super) fn depth<D: Driver>(connection: &Conn<D>) -> usize {
    <D::Database as Database>::TransactionManager::get_transaction_depth(connection)
}

/// Whether the depth is more than that. A transaction that was dropped does not count: SQLite's driver
/// rolls it back on a thread of its own, which may not have come to it before it answers.
pub(super) async fn is_deeper<D: Driver>(connection: &mut Conn<D>, than: usize) -> bool {
    if depth::<D>(connection) > than {
        let _ = send::<D>(connection, "SELECT 1".to_owned()).await;
    }
    depth::<D>(connection) > than
}

/// Rolls back to the beginning, nested transactions included.
pub(super) async fn rollback<D: Driver>(connection: &mut Conn<D>) -> Result<()> {
    while depth::<D>(connection) > 0 {
        <D::Database as Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Whether a transaction is open on a connection that should commit each statement by itself.
pub(super) async fn has_open_transaction<D: Driver>(connection: &mut Conn<D>) -> bool {
    if is_deeper::<D>(connection, 0).await {
        return true;
    }
    for text in D::OPEN_TRANSACTION_CHECK {
        if send::<D>(connection, (*text).to_owned()).await.is_err() {
            return true;
        }
    }
    false
}

/// Sends a text of ours that has no values.
pub(super) async fn send<D: Driver>(connection: &mut Conn<D>, text: String) -> Result<Answer> {
    D::fetch(
        connection,
        Rendered {
            text,
            binds: Vec::new(),
        },
    )
    .await
}
