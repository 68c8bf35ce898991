//! What the engine needs from SQLite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flamingock_sqlx_audit::Conn;
use sqlx::Connection as _;
use sqlx::{Pool, Transaction};

use super::driver::{Cancellation, Driver, Options, Result, send};
use super::integrity::IntegrityWatch;
use super::integrity_mode::IntegrityMode;
use super::interrupt_flag::InterruptFlag;
use super::{integrity, memory_cleanup};
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::target::invocation::Limits;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

/// The number of steps of a statement between two checks of the interrupt flag: about a
/// millisecond.
const STEPS: i32 = 10_000;

/// Reports whether a database with this file name is in memory. sqlx invents a name for each.
pub(crate) fn is_in_memory(name: &Path) -> bool {
    let text = name.to_string_lossy();
    text == ":memory:" || text.starts_with("file:sqlx-in-memory-")
}

impl Driver for flamingock_sqlx_audit::Sqlite {
    const KIND: DatabaseKind = DatabaseKind::Sqlite;

    type IntegrityWatch = IntegrityWatch;

    fn in_memory_name(pool: &Pool<sqlx::Sqlite>) -> Option<PathBuf> {
        let name = pool.connect_options().get_filename().to_path_buf();
        is_in_memory(&name).then_some(name)
    }

    fn address(pool: &Pool<sqlx::Sqlite>) -> String {
        let options = pool.connect_options();
        let file = options.get_filename();
        let missing = if file.exists() {
            ""
        } else {
            ", which is not there: `?mode=rwc` behind its name makes it"
        };
        format!("the SQLite file {}{missing}", file.display())
    }

    const CANCELLATION: Option<Cancellation> = None;
    // As much as is possible without waiting for others.
    const BETWEEN_BATCHES: Option<&'static str> = Some("PRAGMA wal_checkpoint(PASSIVE)");
    const SINGLE_MESSAGE: bool = false;
    // The driver keeps every statement of a message until the end of the message.
    const MAX_MESSAGE_BYTES: usize = 64 * 1024;
    const TRANSACTION_TAG: Option<&'static str> = None;
    const OPEN_TRANSACTION_CHECK: &'static [&'static str] = &["BEGIN", "ROLLBACK"];

    async fn clear_cached_statements(connection: &mut Conn<Self>) -> Result<()> {
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

    fn client_options(options: Options<Self>, client: Client) -> Options<Self> {
        match client.leaves_foreign_keys_off() {
            true => options.foreign_keys(false),
            false => options,
        }
    }

    async fn client_setup(
        _connection: &mut Conn<Self>,
        client: Client,
        in_memory: bool,
    ) -> Result<String> {
        // A connection that was opened for the client has its options already.
        let is_left = in_memory && client.leaves_foreign_keys_off();
        Ok(if is_left {
            "PRAGMA foreign_keys = OFF"
        } else {
            ""
        }
        .to_owned())
    }

    async fn restore_statements(connection: &mut Conn<Self>) -> Result<Vec<String>> {
        memory_cleanup::restore_statements(connection).await
    }

    async fn clean_session(
        connection: &mut Conn<Self>,
        restore_statements: &[String],
    ) -> Result<()> {
        memory_cleanup::clean(connection, restore_statements).await
    }

    async fn watch_integrity(
        connection: &mut Conn<Self>,
        mode: IntegrityMode,
    ) -> Result<Option<IntegrityWatch>> {
        IntegrityWatch::begin(connection, mode).await
    }

    async fn integrity_violation(
        connection: &mut Conn<Self>,
        watch: &IntegrityWatch,
    ) -> Result<Option<BoxError>> {
        watch.violation(connection).await
    }

    fn prevented_loss(watch: &IntegrityWatch) -> Option<BoxError> {
        watch.prevented_loss()
    }

    fn reset_integrity_watch(watch: &IntegrityWatch) {
        watch.reset();
    }

    async fn row_loss(connection: &mut Conn<Self>, statement: &str) -> Result<Option<BoxError>> {
        integrity::row_loss(connection, statement).await
    }

    async fn interrupt_flag(connection: &mut Conn<Self>) -> Result<Option<InterruptFlag>> {
        let flag = InterruptFlag::default();
        let checked = flag.clone();
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || !checked.is_set());
        Ok(Some(flag))
    }

    // A file's text does not show whether a table is temporary or in an attached in-memory
    // database.
    async fn has_session_tables(connection: &mut Conn<Self>) -> Result<bool> {
        let ask = "SELECT EXISTS (SELECT 1 FROM temp.sqlite_master)
  OR EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp') AND file = '')";
        let mut answer = send::<Self>(connection, ask.to_owned()).await?;
        Ok(answer.rows.first_mut().is_none_or(|row| row.text(0) != "0"))
    }

    /// SQLite documents the behaviour of `ROLLBACK` without a journal as undefined.
    async fn rollback_obstacle(connection: &mut Conn<Self>) -> Result<Option<String>> {
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

    // A renewal that waits for a long change would exceed its time limit, and could not report that
    // the file is only busy.
    fn with_short_busy_timeout(options: Options<Self>) -> Options<Self> {
        options.busy_timeout(Duration::from_millis(50))
    }

    async fn commit(connection: &mut Conn<Self>, patience: Duration) -> Result<()> {
        flamingock_sqlx_audit::Sqlite::commit(connection, patience).await
    }
}
