//! What the engine needs to know of each database beside its texts.

use std::path::PathBuf;
use std::time::Duration;

use flamingock_sqlx_audit::{Answer, Backend, Conn, Rendered};
use sqlx::{AssertSqlSafe, Connection, Database, Pool, Transaction};
use sqlx_core::transaction::TransactionManager;

use super::brake::Brake;
use crate::argument::{DatabaseKind, Session};
use crate::call::Limits;
use crate::statements::Script;

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

/// A database of sqlx in which changes run.
pub(crate) trait Driver: Backend {
    const KIND: DatabaseKind;

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

    /// A script as one text that ends with no terminator that the server would not read over.
    fn as_one_text(read: &Script<'_>, text: &str) -> String {
        let _ = read;
        text.to_owned()
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

    /// What takes back the settings of one change's transaction before the next one's begins on the
    /// same connection.
    const RESTORE: Option<&'static str>;

    /// Lists what a failed change without transaction may have left unusable.
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
    const RESTORE: Option<&'static str> = None;

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
    const RESTORE: Option<&'static str> = None;

    fn session<'a, 'c>(connection: &'a mut Conn<Self>) -> Session<'a, 'c> {
        Session::Postgres(connection)
    }

    fn transaction_session<'a, 'c>(
        transaction: &'a mut Transaction<'c, Self::Database>,
    ) -> Session<'a, 'c> {
        Session::PostgresTransaction(transaction)
    }

    // CREATE INDEX CONCURRENTLY leaves its index behind when it fails.
    const REMAINS: Option<&'static str> = Some(
        "SELECT 'the invalid index ' || indexrelid::regclass FROM pg_catalog.pg_index \
         WHERE NOT indisvalid ORDER BY 1",
    );

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

    const WHOLE: &'static str = " LIMIT 18446744073709551615";

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

    const REMARKS: Option<&'static str> =
        Some("SELECT @@warning_count LIMIT 1; SHOW WARNINGS LIMIT 65535");

    // The next transaction's character cannot be chosen in one. A savepoint would tell nothing where
    // autocommit is off: there it begins a transaction itself.
    const OPEN_PROBE: &'static [&'static str] = &["SET TRANSACTION READ WRITE"];
    // The limit of idleness is MariaDB's alone. A variable without a value has a text's type, which the
    // limit does not take: that of a change that failed before its limit was set.
    const RESTORE: Option<&'static str> = Some(
        "SET autocommit = 1 /*M!100300 , SESSION idle_write_transaction_timeout = \
         CAST(COALESCE(@flamingock_idle, @@SESSION.idle_write_transaction_timeout) AS SIGNED), \
         @flamingock_idle = NULL */",
    );

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
