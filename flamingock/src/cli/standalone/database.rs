//! Creating the runner for the URL of a database.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Database, Pool};

use super::url::{Product, hint, is_there, product};
use crate::cli::failure::Failure;
use crate::cli::masked;
use crate::runner::builder::Runner;
use crate::target::storage::IntoStorage;
use crate::util::error_chain::ErrorChain;
use crate::util::visible::Visible;

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Creates a runner, and connects to the database if the command reads or writes it.
pub(super) async fn runner(url: &str, connects: bool) -> Result<Runner, Failure> {
    let refused = |error: sqlx::Error| {
        // The error may repeat the URL or parts of it.
        let cause = without(&ErrorChain::of(&error).to_string(), url);
        Failure::refused(
            "usage",
            hinted(format!("the URL of the database is wrong: {cause}"), url),
        )
    };
    match product(url) {
        Some(Product::Sqlite) => {
            let options = SqliteConnectOptions::from_str(url).map_err(refused)?;
            if connects {
                in_a_file(&options)?;
            }
            // Never creates an empty database, whatever the URL says: there is no audit in it.
            open::<sqlx::Sqlite>(options.create_if_missing(false), connects, url).await
        }
        Some(Product::Postgres) => {
            let options = PgConnectOptions::from_str(url).map_err(refused)?;
            open::<sqlx::Postgres>(options, connects, url).await
        }
        Some(Product::MySql) => {
            let options = MySqlConnectOptions::from_str(url).map_err(refused)?;
            open::<sqlx::MySql>(options, connects, url).await
        }
        None => Err(Failure::refused(
            "usage",
            "the URL names no database that is known here: use sqlite:FILE, postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE",
        )),
    }
}

/// Adds a hint about the URL to a message.
fn hinted(message: String, url: &str) -> String {
    match hint(url) {
        Some(hint) => format!("{message}; {hint}"),
        None => message,
    }
}

/// Removes the URL from a text, and all its parts that may belong to the password.
fn without(text: &str, url: &str) -> String {
    let shown = masked::without_secrets(url);
    let text = text.replace(url, &shown);
    let parts = url
        .split(['/', '?', '#', '@', ':'])
        .filter(|part| part.len() > 3);
    let secret = parts.filter(|part| !shown.contains(*part));
    secret.fold(text, |text, part| text.replace(part, "..."))
}

fn in_a_file(options: &SqliteConnectOptions) -> Result<(), Failure> {
    let file = options.get_filename();
    let shown = Visible(file.display());
    if file.to_string_lossy().starts_with("file:sqlx-in-memory") {
        return Err(Failure::refused(
            "usage",
            "a database in memory is gone with its process: name a file, as in sqlite:app.db",
        ));
    }
    if is_there(file) {
        Ok(())
    } else {
        Err(Failure::database(format!(
            "there is no database file {shown}"
        )))
    }
}

async fn open<D: Database>(
    options: <D::Connection as Connection>::Options,
    connects: bool,
    url: &str,
) -> Result<Runner, Failure>
where
    for<'a> &'a Pool<D>: IntoStorage,
{
    if connects {
        // The pool retries until its timeout, and then only reports that.
        let connected = match tokio::time::timeout(PATIENCE, options.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        };
        let closed = match connected {
            Ok(connection) => connection.close().await,
            Err(error) => Err(error),
        };
        closed.map_err(|error| {
            let message = "could not connect to the database".to_owned();
            Failure::database(hinted(message, url)).caused_by(&error)
        })?;
    }
    let pool = PoolOptions::<D>::new()
        .max_connections(2)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options);
    Ok(Runner::new(&pool))
}
