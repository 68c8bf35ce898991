//! What the engine needs from each database besides the SQL of the audit.

use std::path::PathBuf;
use std::time::Duration;

use flamingock_sqlx_audit::{Answer, Backend, Conn, Rendered};
use sqlx::{AssertSqlSafe, Connection, Database, Pool, Transaction};
use sqlx_core::transaction::TransactionManager;

use super::integrity_mode::IntegrityMode;
use super::interrupt_flag::InterruptFlag;
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::statements::script::Script;
use crate::target::invocation::Limits;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

pub(super) type Result<T> = std::result::Result<T, sqlx::Error>;

/// The options with which a connection is opened.
pub(crate) type Options<D> = <Conn<D> as Connection>::Options;

/// The SQL that stops, from a second connection, a statement that runs on another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cancellation {
    /// Returns a name of the session that no other session of the server has or will have. `None`
    /// if no transaction pooler is known for this database.
    pub(super) own_session: Option<&'static str>,
    /// Marks the session, and returns the mark by which another connection finds it. Has `%tag%`.
    pub(super) mark: &'static str,
    /// The mark without its tag.
    pub(super) mark_prefix: &'static str,
    /// Returns the ID of the connection with a mark; no row, or NULL, if there is none. Has `%mark%`.
    pub(super) id_by_mark: Option<&'static str>,
    /// Finds the session with a mark and cancels its statement, in one statement. Has `%mark%`.
    pub(super) by_mark: &'static str,
    /// Cancels the statement of the connection with an ID. Has `%id%`.
    pub(super) by_id: &'static str,
    /// Ends the connection with an ID. Has `%id%`.
    pub(super) end_by_id: &'static str,
    /// Returns a row as long as the connection with an ID exists. Has `%id%`.
    pub(super) exists_by_id: &'static str,
    /// Returns a row as long as the transaction with a tag exists. Has `%tag%`.
    pub(super) exists_by_tag: Option<&'static str>,
    /// Cancels the statement of the transaction with a tag, if the server can find it by its tag.
    /// Has `%tag%`.
    pub(super) by_tag: Option<&'static str>,
}

/// A database in which changes run.
pub(crate) trait Driver: Backend {
    const KIND: DatabaseKind;

    /// The state before a change, for the check of what the change must not lose.
    type IntegrityWatch: std::fmt::Debug + Send + Sync;

    /// Returns the name of the database if it is in the memory of this process.
    fn in_memory_name(_pool: &Pool<Self::Database>) -> Option<PathBuf> {
        None
    }

    /// Returns the database that the application named, if a session can switch to another one.
    fn named_database(_pool: &Pool<Self::Database>) -> Option<String> {
        None
    }

    /// Appended to a query so that the session does not limit the number of rows.
    const NO_ROW_LIMIT: &'static str = "";

    /// Returns the address of the server or the file, for messages: without the user and the
    /// password.
    fn address(pool: &Pool<Self::Database>) -> String;

    /// Returns rows with a name and a value that describe the server and whether it accepts writes.
    /// `None` if the database is in this process.
    const SERVER_INFO: Option<&'static str> = None;

    const CANCELLATION: Option<Cancellation>;

    /// What is sent between two batches of a change, now and then.
    const BETWEEN_BATCHES: Option<&'static str> = None;

    /// Whether a script is sent in one message with its begin, entry and commit. A database in this
    /// process has no round trips that this would save.
    const SINGLE_MESSAGE: bool;

    /// The longest message with several scripts, in bytes: servers limit the size of a message. A
    /// single script may be longer.
    const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

    /// The longest script that is sent in one message, in bytes. A longer one is sent in pieces.
    const MAX_SCRIPT_BYTES: usize = Self::MAX_MESSAGE_BYTES;

    /// Returns the setting that determines what quotes and backslashes mean.
    const QUOTING: Option<&'static str> = None;

    /// Returns a script as one message, without a terminator at the end that the server would
    /// reject.
    fn as_message(read: &Script<'_>, text: &str) -> String {
        let _ = read;
        text.to_owned()
    }

    /// If an error quotes SQL that was appended to the script, returns the quoted text and the part
    /// of it that is the script's.
    fn without_appended(_error: &sqlx::Error, _script: &str) -> Option<(String, String)> {
        None
    }

    /// Returns a statement to run after a script. It fails if a statement of the script had no
    /// effect because an unusable object of the same name exists.
    fn check_after(_read: &Script<'_>) -> Option<String> {
        None
    }

    /// Returns the tag of the open transaction, to determine what became of the transaction of a
    /// change that failed. An empty or another tag means that the transaction has ended. `None` if
    /// the savepoint shows that instead.
    const TRANSACTION_TAG: Option<&'static str>;

    /// Ends a transaction that the database has aborted, and returns `%tag%` if it was the
    /// transaction with that tag.
    const ABORTED_TAG: Option<&'static str> = None;

    /// Returns the number of warnings of the previous statement, and then each warning, with its
    /// code in the second column.
    const WARNINGS: Option<&'static str> = None;

    /// Returns the session that blocks the transaction with a tag. Has `%tag%`.
    const BLOCKER: Option<&'static str> = None;

    /// Whether later statements queue behind a statement that waits for a lock. If so, changes wait
    /// only for a short time.
    const LOCKS_QUEUE: bool = false;

    /// Statements of which one fails if a transaction is open on a connection that should commit
    /// each statement by itself.
    const OPEN_TRANSACTION_CHECK: &'static [&'static str];

    /// Lists unusable objects that non-transactional changes can leave behind: the ID and a
    /// description of each.
    const INVALID_INDEXES: Option<&'static str> = None;

    /// Returns the statements that set the limits of a change, or `None` if there is nothing to
    /// set. The limits outlast the change unless they are set `within` a transaction of PostgreSQL.
    fn limits(limits: &Limits, within: bool) -> Option<String>;

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c>;

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c>;

    /// Installs a flag that interrupts the statements of the connection from within the process,
    /// for a database that other connections cannot cancel.
    fn interrupt_flag(
        _connection: &mut Conn<Self>,
    ) -> impl Future<Output = Result<Option<InterruptFlag>>> + Send {
        async { Ok(None) }
    }

    /// Returns why `ROLLBACK` would not undo the work on a connection, as far as the database can
    /// tell.
    fn rollback_obstacle(
        _connection: &mut Conn<Self>,
    ) -> impl Future<Output = Result<Option<String>>> + Send {
        async { Ok(None) }
    }

    /// Returns the options of a connection whose session must look like that of a client.
    fn client_options(options: Options<Self>, _client: Client) -> Options<Self> {
        options
    }

    /// Returns the statements that make a session look like that of a client, for what connection
    /// options cannot do.
    fn client_setup(
        _connection: &mut Conn<Self>,
        _client: Client,
        _in_memory: bool,
    ) -> impl Future<Output = Result<String>> + Send {
        async { Ok(String::new()) }
    }

    /// Returns the options that a session keeps from sqlx, because the client's values cannot be
    /// determined.
    fn unknown_client_options(
        _connection: &mut Conn<Self>,
        _client: Client,
    ) -> impl Future<Output = Result<Vec<String>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Reports whether the server refused a connection because there are too many.
    fn is_too_many_connections(_error: &sqlx::Error) -> bool {
        false
    }

    /// Returns the statements that restore the current state of a session that cannot be closed.
    fn restore_statements(
        _connection: &mut Conn<Self>,
    ) -> impl Future<Output = Result<Vec<String>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Removes what a change left on such a session.
    fn clean_session(
        _connection: &mut Conn<Self>,
        _restore_statements: &[String],
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Reports whether the pool's hook left tables that only this session sees.
    fn has_session_tables(
        _connection: &mut Conn<Self>,
    ) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(false) }
    }

    /// Returns 1 if no code that the database runs for a file (triggers, views, defaults of
    /// columns) can use session state, and the pool's hook left no session state that a file could
    /// change. `None` if no query is necessary.
    const RUNS_NO_CODE: Option<&'static str> = None;

    /// Clears the prepared statements that the driver caches.
    fn clear_cached_statements(
        connection: &mut Conn<Self>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Reads the state that a change must not damage, in cases in which the database reports no
    /// error.
    fn watch_integrity(
        _connection: &mut Conn<Self>,
        _mode: IntegrityMode,
    ) -> impl Future<Output = Result<Option<Self::IntegrityWatch>>> + Send {
        async { Ok(None) }
    }

    /// Returns why the work since then must not be committed.
    fn integrity_violation(
        _connection: &mut Conn<Self>,
        _watch: &Self::IntegrityWatch,
    ) -> impl Future<Output = Result<Option<BoxError>>> + Send {
        async { Ok(None) }
    }

    /// Returns why a statement of the change was rolled back automatically.
    fn prevented_loss(_watch: &Self::IntegrityWatch) -> Option<BoxError> {
        None
    }

    /// Starts again for the next change of the transaction.
    fn reset_integrity_watch(_watch: &Self::IntegrityWatch) {}

    /// Returns why a statement must not run outside a transaction: it would delete rows for good.
    fn row_loss(
        _connection: &mut Conn<Self>,
        _statement: &str,
    ) -> impl Future<Output = Result<Option<BoxError>>> + Send {
        async { Ok(None) }
    }

    /// Returns the options of a connection that soon gives up waiting for another writer.
    fn with_short_busy_timeout(options: Options<Self>) -> Options<Self> {
        options
    }

    /// Commits the outermost transaction.
    fn commit(
        connection: &mut Conn<Self>,
        patience: Duration,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Returns the address of a database on a server.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn server_address(
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
        // With a `/` in the password, the host of the URL ends too early, and the rest of the
        // password is part of the database name.
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

/// Returns the number of open transactions that the driver knows: 1 for Flamingock's own, more if
/// the change left nested ones open.
fn depth<D: Driver>(connection: &Conn<D>) -> usize {
    <D::Database as Database>::TransactionManager::get_transaction_depth(connection)
}

/// Reports whether more transactions are open than the limit. A dropped transaction does not count:
/// SQLite's driver rolls it back on a thread of its own, and has done so once the next statement
/// returns.
pub(super) async fn is_deeper_than<D: Driver>(connection: &mut Conn<D>, limit: usize) -> bool {
    if depth::<D>(connection) > limit {
        let _ = send::<D>(connection, "SELECT 1".to_owned()).await;
    }
    depth::<D>(connection) > limit
}

/// Rolls back until this number of transactions is open.
pub(super) async fn rollback_to_depth<D: Driver>(
    connection: &mut Conn<D>,
    limit: usize,
) -> Result<()> {
    while depth::<D>(connection) > limit {
        <D::Database as Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
}

/// Reports whether a transaction is open on a connection that should commit each statement by
/// itself.
pub(super) async fn has_open_transaction<D: Driver>(connection: &mut Conn<D>) -> bool {
    if is_deeper_than::<D>(connection, 0).await {
        return true;
    }
    for text in D::OPEN_TRANSACTION_CHECK {
        if send::<D>(connection, (*text).to_owned()).await.is_err() {
            return true;
        }
    }
    false
}

/// Marks a session, so that others find it. Returns the mark, or `None` if another session has it.
pub(super) async fn mark_session<D: Driver>(
    connection: &mut Conn<D>,
    cancellation: &Cancellation,
    tag: &str,
) -> Result<Option<String>> {
    let mark = cancellation.mark.replace("%tag%", tag);
    let mut answer = send::<D>(connection, mark).await?;
    Ok(answer.rows.first_mut().and_then(|row| row.optional(0)))
}

/// Runs statements of Flamingock that have no parameters.
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
