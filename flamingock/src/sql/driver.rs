//! What the engine needs to know of each database beside its texts.

use std::path::PathBuf;
use std::time::Duration;

use flamingock_sqlx_audit::{Answer, Backend, Conn, Rendered};
use sqlx::{AssertSqlSafe, Connection, Database, Pool, Transaction};
use sqlx_core::transaction::TransactionManager;

use super::brake::Brake;
#[cfg(feature = "sqlite")]
use super::children::Watch;
#[cfg(feature = "postgres")]
use super::options;
#[cfg(feature = "sqlite")]
use super::{children, cleaning};
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::statements::Script;
#[cfg(feature = "postgres")]
use crate::statements::made_if_absent;
use crate::target::invocation::Limits;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

type Result<T> = std::result::Result<T, sqlx::Error>;

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

/// What is looked at around a change, where the database itself would say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watching {
    /// Foreign keys may be enforced: rows must not go with a table that is dropped.
    Drops,
    /// The same where each statement commits by itself, unless it loses such rows.
    Statements,
    /// They were switched off for the change: it must break no reference.
    References,
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
    const OPEN_PROBE: &'static [&'static str];

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
fn of_server(
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
    for text in D::OPEN_PROBE {
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

/// How many steps a statement of SQLite does before it looks whether it is to stop: about a millisecond.
#[cfg(feature = "sqlite")]
const STEPS: i32 = 10_000;

#[cfg(feature = "sqlite")]
impl Driver for flamingock_sqlx_audit::Sqlite {
    const KIND: DatabaseKind = DatabaseKind::Sqlite;

    type Watch = Watch;

    fn memory(pool: &Pool<sqlx::Sqlite>) -> Option<PathBuf> {
        let name = pool.connect_options().get_filename().to_path_buf();
        let text = name.to_string_lossy();
        let in_memory = text == ":memory:" || text.starts_with("file:sqlx-in-memory-");
        in_memory.then_some(name)
    }

    fn place(pool: &Pool<sqlx::Sqlite>) -> String {
        let options = pool.connect_options();
        let file = options.get_filename();
        let missing = if file.exists() {
            ""
        } else {
            ", which is not there: `?mode=rwc` behind its name makes it"
        };
        format!("the SQLite file {}{missing}", file.display())
    }

    const CANCELLING: Option<Cancelling> = None;
    const ONE_TEXT: bool = false;
    // The driver keeps every statement of a text until its end.
    const LONGEST_TEXT: usize = 64 * 1024;
    const OWN_TAG: Option<&'static str> = None;
    const OPEN_PROBE: &'static [&'static str] = &["BEGIN", "ROLLBACK"];

    async fn forget_statements(connection: &mut Conn<Self>) -> Result<()> {
        connection.clear_cached_statements().await
    }

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c> {
        Session::Sqlite(connection)
    }

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c> {
        Session::SqliteTransaction(transaction)
    }

    fn limits(_limits: &Limits, _within: bool) -> Option<String> {
        None
    }

    fn options_of(options: Options<Self>, client: Client) -> Options<Self> {
        match client.leaves_foreign_keys_off() {
            true => options.foreign_keys(false),
            false => options,
        }
    }

    async fn adapting(
        _connection: &mut Conn<Self>,
        client: Client,
        in_memory: bool,
    ) -> Result<String> {
        // What was opened for the client has its options.
        let is_left = in_memory && client.leaves_foreign_keys_off();
        Ok(if is_left {
            "PRAGMA foreign_keys = OFF"
        } else {
            ""
        }
        .to_owned())
    }

    async fn found(connection: &mut Conn<Self>) -> Result<Vec<String>> {
        cleaning::found(connection).await
    }

    async fn clean(connection: &mut Conn<Self>, found: &[String]) -> Result<()> {
        cleaning::clean(connection, found).await
    }

    async fn watch(connection: &mut Conn<Self>, watching: Watching) -> Result<Option<Watch>> {
        Watch::begin(connection, watching).await
    }

    async fn objection(connection: &mut Conn<Self>, watch: &Watch) -> Result<Option<BoxError>> {
        watch.objection(connection).await
    }

    fn vetoed(watch: &Watch) -> Option<BoxError> {
        watch.vetoed()
    }

    fn begins_again(watch: &Watch) {
        watch.begins_again();
    }

    async fn would_lose(connection: &mut Conn<Self>, statement: &str) -> Result<Option<BoxError>> {
        children::would_lose(connection, statement).await
    }

    async fn brake(connection: &mut Conn<Self>) -> Result<Option<Brake>> {
        let brake = Brake::default();
        let watched = brake.clone();
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || !watched.is_pulled());
        Ok(Some(brake))
    }

    /// SQLite says of ROLLBACK without a journal that its behaviour is undefined.
    async fn without_rollback(connection: &mut Conn<Self>) -> Result<Option<String>> {
        let list = "SELECT name FROM pragma_database_list".to_owned();
        for mut row in send::<Self>(connection, list).await?.rows {
            let name = row.text(0);
            let quoted = name.replace('"', "\"\"");
            let ask = format!("PRAGMA \"{quoted}\".journal_mode");
            let mut mode = send::<Self>(connection, ask).await?;
            if mode
                .rows
                .first_mut()
                .is_some_and(|row| row.text(0) == "off")
            {
                return Ok(Some(format!(
                    "`PRAGMA journal_mode` of the database \"{name}\" is OFF, and without a journal SQLite cannot undo a transaction: use DELETE or WAL"
                )));
            }
        }
        Ok(None)
    }

    // A renewal that waits for a long change is cut, and is then no sign that the file is only busy.
    fn impatient(options: Options<Self>) -> Options<Self> {
        options.busy_timeout(Duration::from_millis(50))
    }

    async fn commit(connection: &mut Conn<Self>, patience: Duration) -> Result<()> {
        flamingock_sqlx_audit::Sqlite::commit(connection, patience).await
    }
}

/// The process that answers, and when it began.
#[cfg(feature = "postgres")]
const SESSION_OF_POSTGRES: &str = "SELECT concat(pid, ' ', extract(epoch FROM backend_start)) \
     FROM pg_stat_activity WHERE pid = pg_backend_pid()";

#[cfg(feature = "postgres")]
impl Driver for flamingock_sqlx_audit::Postgres {
    const KIND: DatabaseKind = DatabaseKind::Postgres;

    type Watch = std::convert::Infallible;

    fn place(pool: &Pool<sqlx::Postgres>) -> String {
        let options = pool.connect_options();
        let socket = options.get_socket().map(PathBuf::as_path);
        let at = (options.get_host(), options.get_port());
        of_server(Self::KIND, at, socket, options.get_database())
    }

    // The source is looked up only where it is asked for: to list the settings takes the server longer
    // than everything else.
    const WHAT_ANSWERS: Option<&'static str> = Some(
        "SELECT 'version', pg_catalog.version()
UNION ALL SELECT 'crdb_version', pg_catalog.current_setting('crdb_version', true)
UNION ALL SELECT 'in_recovery', pg_catalog.pg_is_in_recovery()::text
UNION ALL SELECT 'read_only_by', CASE WHEN pg_catalog.current_setting('transaction_read_only') = 'on'
  THEN (SELECT source FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') END
UNION ALL SELECT 'extension', extname::text FROM pg_catalog.pg_extension WHERE extname IN ('bdr', 'spock')",
    );

    const CANCELLING: Option<Cancelling> = Some(Cancelling {
        own_session: Some(SESSION_OF_POSTGRES),
        // A process id may come again; a process that began then is no other.
        mark: SESSION_OF_POSTGRES,
        by_mark: "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                  WHERE concat(pid, ' ', extract(epoch FROM backend_start)) = '%mark%' \
                  AND pid <> pg_backend_pid()",
        by_id: "SELECT pg_cancel_backend(%id%)",
        end_by_id: "SELECT pg_terminate_backend(%id%)",
        is_there_by_id: "SELECT 1 FROM pg_stat_activity WHERE pid = %id%",
        is_there_by_tag: Some(
            "SELECT 1 FROM pg_stat_activity \
             WHERE application_name = 'flamingock %tag%' AND pid <> pg_backend_pid()",
        ),
        by_tag: Some(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'flamingock %tag%' AND pid <> pg_backend_pid()",
        ),
    });
    const ONE_TEXT: bool = true;
    // Its messages hold a gigabyte.
    const LONGEST_SCRIPT: usize = usize::MAX;
    // SHOW takes no snapshot: behind one, a file could not choose its isolation level any more.
    const QUOTING: Option<&'static str> = Some("SHOW standard_conforming_strings");
    const OWN_TAG: Option<&'static str> = Some("SELECT current_setting('flamingock.tx', true)");
    // What was set for the session is there again only if the transaction in which it was set was
    // committed. In the chained one nothing was done.
    const ABORTED_TAG: Option<&'static str> = Some(
        "ROLLBACK AND CHAIN; SELECT CASE WHEN current_setting('flamingock.begun', true) \
         IS DISTINCT FROM '%tag%' THEN '%tag%' END",
    );
    const BLOCKER: Option<&'static str> = Some(
        "SELECT b.pid, coalesce(b.application_name, ''), coalesce(left(b.query, 200), '') \
         FROM pg_stat_activity w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS by(pid) \
         JOIN pg_stat_activity b ON b.pid = by.pid \
         WHERE w.application_name = 'flamingock %tag%' AND w.pid <> pg_backend_pid() LIMIT 1",
    );
    const QUEUES: bool = true;
    // In a transaction its start is before the statement's.
    const OPEN_PROBE: &'static [&'static str] =
        &["SELECT 1 / (CASE WHEN now() = statement_timestamp() THEN 1 ELSE 0 END)"];

    async fn forget_statements(connection: &mut Conn<Self>) -> Result<()> {
        connection.clear_cached_statements().await
    }

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c> {
        Session::Postgres(connection)
    }

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c> {
        Session::PostgresTransaction(transaction)
    }

    async fn adapting(
        connection: &mut Conn<Self>,
        client: Client,
        _in_memory: bool,
    ) -> Result<String> {
        let adapting = options::adapting(connection, client).await?;
        Ok(adapting.text)
    }

    async fn not_adapted(connection: &mut Conn<Self>, client: Client) -> Result<Vec<String>> {
        let adapting = options::adapting(connection, client).await?;
        Ok(adapting.unknown)
    }

    // CREATE INDEX CONCURRENTLY leaves its index behind when it fails, and has it while it goes on. That of
    // a partitioned table is invalid until its partitions have theirs.
    const REMAINS: Option<&'static str> = Some(
        "SELECT i.indexrelid::text, 'the invalid index ' || i.indexrelid::regclass \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         WHERE NOT i.indisvalid AND c.relkind = 'i' AND NOT EXISTS (\
           SELECT 1 FROM pg_catalog.pg_stat_progress_create_index p JOIN pg_catalog.pg_locks l ON l.pid = p.pid \
           WHERE p.pid <> pg_backend_pid() AND l.locktype = 'relation' AND l.granted \
           AND l.mode = 'ShareUpdateExclusiveLock' AND l.relation = i.indrelid \
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) \
         ORDER BY 2",
    );

    /// With a look at the indexes that are made unless they are there: one that is there may be invalid.
    fn as_one_text(read: &Script<'_>, text: &str) -> String {
        match Self::check_behind(read) {
            Some(check) => format!("{text}\n;\n{check}"),
            None => text.to_owned(),
        }
    }

    fn check_behind(read: &Script<'_>) -> Option<String> {
        let indexes = read.statements.iter().filter_map(made_if_absent);
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let any: Vec<String> = indexes
            .map(|index| {
                let (name, table) = (literal(&index.name), literal(index.table));
                format!("c.relname = {name} AND i.indrelid = to_regclass({table})")
            })
            .collect();
        if any.is_empty() {
            return None;
        }
        let any = any.join(" OR ");
        Some(format!(
            "DO $flamingock$ DECLARE found text; BEGIN \
             SELECT string_agg(i.indexrelid::regclass::text, ', ') INTO found \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE NOT i.indisvalid AND c.relkind = 'i' AND ({any}); \
             IF found IS NOT NULL THEN RAISE EXCEPTION \
             'the index % was there already, and it is invalid: no query uses it. Drop it before the change runs again', found; \
             END IF; END $flamingock$"
        ))
    }

    fn limits(limits: &Limits, within: bool) -> Option<String> {
        let set = if within { "SET LOCAL" } else { "SET" };
        let one = |name: &str, limit: Option<Duration>| {
            limit.map(|limit| {
                let most = u128::from(i32::MAX.unsigned_abs());
                format!("{set} {name} = {}", limit.as_millis().clamp(1, most))
            })
        };
        let texts = [
            one("lock_timeout", limits.lock),
            one("statement_timeout", limits.statement),
        ];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    async fn commit(connection: &mut Conn<Self>, _patience: Duration) -> Result<()> {
        sqlx::postgres::PgTransactionManager::commit(connection).await
    }
}

#[cfg(feature = "mysql")]
impl Driver for flamingock_sqlx_audit::MySql {
    const KIND: DatabaseKind = DatabaseKind::MySql;

    type Watch = std::convert::Infallible;

    const WHOLE: &'static str = " LIMIT 18446744073709551615";
    const QUOTING: Option<&'static str> = Some("SELECT @@sql_mode LIMIT 1");

    fn named_database(pool: &Pool<sqlx::MySql>) -> Option<String> {
        pool.connect_options().get_database().map(str::to_owned)
    }

    fn place(pool: &Pool<sqlx::MySql>) -> String {
        let options = pool.connect_options();
        let socket = options.get_socket().map(PathBuf::as_path);
        let at = (options.get_host(), options.get_port());
        of_server(Self::KIND, at, socket, options.get_database())
    }

    // Variables that a product does not have are left out, and nobody needs a right for the others.
    const WHAT_ANSWERS: Option<&'static str> = Some(
        "SELECT CAST(VARIABLE_NAME AS BINARY), CAST(VARIABLE_VALUE AS BINARY) FROM \
         /*M! information_schema.GLOBAL_VARIABLES */ /*!50720 performance_schema.global_variables */ \
         WHERE VARIABLE_NAME IN ('version', 'version_comment', 'wsrep_on', \
         'read_only', 'super_read_only', 'innodb_read_only', 'group_replication_group_name', \
         'group_replication_single_primary_mode') LIMIT 100",
    );

    const CANCELLING: Option<Cancelling> = Some(Cancelling {
        own_session: None,
        // Connection ids come again when the server was restarted; such a lock is gone with its session.
        mark: "SELECT CASE GET_LOCK('flamingock %tag%', 0) WHEN 1 THEN 'flamingock %tag%' END LIMIT 1",
        by_mark: "KILL QUERY IS_USED_LOCK('%mark%')",
        by_id: "KILL QUERY %id%",
        end_by_id: "KILL CONNECTION %id%",
        is_there_by_id: "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %id% LIMIT 1",
        is_there_by_tag: None,
        by_tag: None,
    });
    const ONE_TEXT: bool = true;
    const OWN_TAG: Option<&'static str> = None;

    /// Without the commands of a client, and without an empty statement, which is an error there.
    fn as_one_text(read: &Script<'_>, _text: &str) -> String {
        let texts: Vec<&str> = read.statements.iter().map(|one| one.text).collect();
        texts.join("\n;\n")
    }

    // A syntax error quotes what comes next.
    fn without_ours(error: &sqlx::Error, script: &str) -> Option<(String, String)> {
        let message = error.as_database_error()?.message();
        let (from, to) = (message.find('\'')? + 1, message.rfind('\'')?);
        let quoted = message.get(from..to)?;
        if script.contains(quoted.strip_suffix("...").unwrap_or(quoted)) {
            return None;
        }
        // What begins behind the script is none of it.
        let mut ends = quoted.char_indices().map(|(at, _)| &quoted[..at]).rev();
        let own = ends.find(|own| script.ends_with(own))?;
        (own.len() < quoted.len() && quoted[own.len()..].trim_start().starts_with(';'))
            .then(|| (format!("'{quoted}'"), format!("'{own}'")))
    }

    const REMARKS: Option<&'static str> =
        Some("SELECT @@warning_count LIMIT 1; SHOW WARNINGS LIMIT 65535");

    // The next transaction's character cannot be chosen in one. A savepoint would tell nothing where
    // autocommit is off: there it begins a transaction itself.
    const OPEN_PROBE: &'static [&'static str] = &["SET TRANSACTION READ WRITE"];
    fn options_of(options: Options<Self>, client: Client) -> Options<Self> {
        match client {
            Client::Pool => options,
            Client::Diesel => options
                .pipes_as_concat(true)
                .no_engine_substitution(false)
                .timezone("+00:00".to_owned()),
            Client::Server | Client::Go | Client::LibPq | Client::Jdbc => options
                .pipes_as_concat(false)
                .no_engine_substitution(false)
                .timezone(None),
        }
    }

    /// sqlx asks for `IGNORE_SPACE` as it connects, which no option changes. Modes that contain it were not
    /// set by sqlx.
    async fn adapting(
        _connection: &mut Conn<Self>,
        _client: Client,
        _in_memory: bool,
    ) -> Result<String> {
        let text = "SET sql_mode = IF(FIND_IN_SET('IGNORE_SPACE', @@GLOBAL.sql_mode) > 0 \
             OR @@SESSION.sql_mode REGEXP '(^|,)(ANSI|DB2|MAXDB|MSSQL|ORACLE|POSTGRESQL)(,|$)', \
             @@SESSION.sql_mode, \
             TRIM(BOTH ',' FROM REPLACE(CONCAT(',', @@SESSION.sql_mode, ','), ',IGNORE_SPACE,', ',')))";
        Ok(text.to_owned())
    }

    /// Of the server, of a user, and of a user within an hour.
    fn is_crowded(error: &sqlx::Error) -> bool {
        let error = error.as_database_error();
        let error =
            error.and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
        error.is_some_and(|error| matches!(error.number(), 1040 | 1203 | 1226))
    }

    async fn forget_statements(connection: &mut Conn<Self>) -> Result<()> {
        connection.clear_cached_statements().await
    }

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c> {
        Session::MySql(connection)
    }

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c> {
        Session::MySqlTransaction(transaction)
    }

    /// Whole seconds for locks, as the server counts them. MySQL has no limit for every statement:
    /// the comment is executed by MariaDB only.
    fn limits(limits: &Limits, _within: bool) -> Option<String> {
        let lock = limits.lock.map(|limit| {
            let seconds = limit.as_millis().div_ceil(1000).max(1);
            format!(
                "SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"
            )
        });
        let statement = limits.statement.map(|limit| {
            format!(
                "/*M! SET SESSION max_statement_time = {} */",
                limit.as_secs_f64().max(0.001)
            )
        });
        let texts: Vec<String> = [lock, statement].into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    async fn commit(connection: &mut Conn<Self>, _patience: Duration) -> Result<()> {
        sqlx::mysql::MySqlTransactionManager::commit(connection).await
    }
}
