//! What the engine needs from MySQL and MariaDB.

use std::path::PathBuf;
use std::time::Duration;

use flamingock_sqlx_audit::Conn;
use sqlx::Connection as _;
use sqlx::{Pool, Transaction};
use sqlx_core::transaction::TransactionManager as _;

use super::driver::{Cancellation, Driver, Options, Result, server_address};
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::statements::script::Script;
use crate::target::invocation::Limits;
use crate::util::database_kind::DatabaseKind;

impl Driver for flamingock_sqlx_audit::MySql {
    const KIND: DatabaseKind = DatabaseKind::MySql;

    type IntegrityWatch = std::convert::Infallible;

    const NO_ROW_LIMIT: &'static str = " LIMIT 18446744073709551615";
    const QUOTING: Option<&'static str> = Some("SELECT @@sql_mode LIMIT 1");

    fn named_database(pool: &Pool<sqlx::MySql>) -> Option<String> {
        pool.connect_options().get_database().map(str::to_owned)
    }

    fn address(pool: &Pool<sqlx::MySql>) -> String {
        let options = pool.connect_options();
        let socket = options.get_socket().map(PathBuf::as_path);
        let at = (options.get_host(), options.get_port());
        server_address(Self::KIND, at, socket, options.get_database())
    }

    // Unknown variables are left out of the result, and the others need no privilege.
    const SERVER_INFO: Option<&'static str> = Some(
        "SELECT CAST(VARIABLE_NAME AS BINARY), CAST(VARIABLE_VALUE AS BINARY) FROM \
         /*M! information_schema.GLOBAL_VARIABLES */ /*!50720 performance_schema.global_variables */ \
         WHERE VARIABLE_NAME IN ('version', 'version_comment', 'wsrep_on', \
         'read_only', 'super_read_only', 'innodb_read_only', 'group_replication_group_name', \
         'group_replication_single_primary_mode') LIMIT 100",
    );

    const CANCELLATION: Option<Cancellation> = Some(Cancellation {
        own_session: None,
        // Connection IDs are reused after a restart of the server, but such a lock ends with its
        // session.
        mark: "SELECT CASE GET_LOCK('flamingock %tag%', 0) WHEN 1 THEN 'flamingock %tag%' END LIMIT 1",
        mark_prefix: "flamingock ",
        id_by_mark: Some("SELECT IS_USED_LOCK('%mark%') LIMIT 1"),
        by_mark: "KILL QUERY IS_USED_LOCK('%mark%')",
        by_id: "KILL QUERY %id%",
        end_by_id: "KILL CONNECTION %id%",
        exists_by_id: "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %id% LIMIT 1",
        exists_by_tag: None,
        by_tag: None,
    });
    const SINGLE_MESSAGE: bool = true;
    const TRANSACTION_TAG: Option<&'static str> = None;

    /// Leaves out commands of a client and empty statements, which are errors in a message.
    fn as_message(read: &Script<'_>, _text: &str) -> String {
        let texts: Vec<&str> = read.statements.iter().map(|one| one.text).collect();
        texts.join("\n;\n")
    }

    // A syntax error quotes the text that follows it.
    fn without_appended(error: &sqlx::Error, script: &str) -> Option<(String, String)> {
        let message = error.as_database_error()?.message();
        let (from, to) = (message.find('\'')? + 1, message.rfind('\'')?);
        let quoted = message.get(from..to)?;
        if script.contains(quoted.strip_suffix("...").unwrap_or(quoted)) {
            return None;
        }
        // A quotation that begins after the script has nothing of it.
        let mut ends = quoted.char_indices().map(|(at, _)| &quoted[..at]).rev();
        let own = ends.find(|own| script.ends_with(own))?;
        (own.len() < quoted.len() && quoted[own.len()..].trim_start().starts_with(';'))
            .then(|| (format!("'{quoted}'"), format!("'{own}'")))
    }

    const WARNINGS: Option<&'static str> =
        Some("SELECT @@warning_count LIMIT 1; SHOW WARNINGS LIMIT 65535");

    // Inside a transaction, the access mode of the next one cannot be set. With autocommit off, a
    // savepoint would begin a transaction itself, so it would show nothing.
    const OPEN_TRANSACTION_CHECK: &'static [&'static str] = &["SET TRANSACTION READ WRITE"];
    fn client_options(options: Options<Self>, client: Client) -> Options<Self> {
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

    /// sqlx sets `IGNORE_SPACE` when it connects, and no option prevents that. Combined modes that
    /// contain it were not set by sqlx.
    async fn client_setup(
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

    /// Limits of the server, of a user, and of a user within an hour.
    fn is_too_many_connections(error: &sqlx::Error) -> bool {
        let error = error.as_database_error();
        let error =
            error.and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
        error.is_some_and(|error| matches!(error.number(), 1040 | 1203 | 1226))
    }

    // The server lists triggers and columns by the user's privileges, so these are checked first. A
    // hook's temporary tables are not listed anywhere, but the session counts its statements. A
    // server without these counters returns an error, and its files get a connection each.
    const RUNS_NO_CODE: Option<&'static str> = Some(
        "SELECT 2 = (SELECT COUNT(DISTINCT PRIVILEGE_TYPE) FROM (
    SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES
    UNION ALL SELECT GRANTEE, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES
      WHERE DATABASE() LIKE TABLE_SCHEMA) AS p
    WHERE GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')
      AND PRIVILEGE_TYPE IN ('SELECT', 'TRIGGER'))
  AND NOT EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE())
  AND NOT EXISTS (SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE())
  AND NOT EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
    AND CONCAT_WS(' ', COLUMN_DEFAULT, GENERATION_EXPRESSION) REGEXP '@|lastval|rand[(]')
  AND NOT EXISTS (SELECT 1 FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()
    AND CHECK_CLAUSE REGEXP '@|lastval|rand[(]')
  AND NOT EXISTS (SELECT 1 FROM information_schema.SESSION_STATUS WHERE LEFT(VARIABLE_NAME, 4) = 'COM_'
    AND VARIABLE_NAME NOT IN ('COM_SELECT', 'COM_SET_OPTION', 'COM_CHANGE_DB') AND VARIABLE_VALUE <> '0')
LIMIT 1",
    );

    async fn clear_cached_statements(connection: &mut Conn<Self>) -> Result<()> {
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

    /// Uses whole seconds for locks, as the server does. MySQL has no limit for all statements:
    /// only MariaDB executes the comment.
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
