//! What the engine needs to know of SQLite.

use super::brake::Brake;
#[cfg(feature = "sqlite")]
use super::children::Watch;
#[cfg(feature = "sqlite")]
use super::{children, cleaning};
use crate::change::argument::Session;
use crate::change::client::Client;
use crate::sql::driver::{Cancelling, Driver, Options, Result, send};
use crate::sql::watching::Watching;
use crate::target::invocation::Limits;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;
use flamingock_sqlx_audit::Conn;
use sqlx::Connection as _;
use sqlx::{Pool, Transaction};
use std::path::PathBuf;
use std::time::Duration;

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
    const OPEN_TRANSACTION_CHECK: &'static [&'static str] = &["BEGIN", "ROLLBACK"];

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

    // A file's text does not show that a table is temporary, or of an attached database in memory.
    async fn has_own_tables(connection: &mut Conn<Self>) -> Result<bool> {
        let ask = "SELECT EXISTS (SELECT 1 FROM temp.sqlite_master)
  OR EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp') AND file = '')";
        let mut answer = send::<Self>(connection, ask.to_owned()).await?;
        Ok(answer.rows.first_mut().is_none_or(|row| row.text(0) != "0"))
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
