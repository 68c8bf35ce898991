//! The runner of a database that a URL names.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Database, Pool};

use super::url::{Product, is_there, product, without_secrets};
use crate::audit::ErrorChain;
use crate::cli::failure::Failure;
use crate::runner::Runner;
use crate::storage::IntoStorage;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A runner that is connected where the command reads or writes.
pub(super) async fn runner(url: &str, connects: bool) -> Result<Runner, Failure> {
    let refused = |error: sqlx::Error| {
        let cause = ErrorChain::of(&error).to_string();
        let cause = without_secrets(&cause, [url]);
        Failure::refused(
            "usage",
            format!("the URL of the database is wrong: {cause}"),
        )
    };
    match product(url) {
        Some(Product::Sqlite) => {
            let options = SqliteConnectOptions::from_str(url).map_err(refused)?;
            if connects {
                in_a_file(&options)?;
            }
            // Whatever the URL says: who looks for an audit makes no empty database.
            open::<sqlx::Sqlite>(options.create_if_missing(false), connects).await
        }
        Some(Product::Postgres) => {
            let options = PgConnectOptions::from_str(url).map_err(refused)?;
            open::<sqlx::Postgres>(options, connects).await
        }
        Some(Product::MySql) => {
            let options = MySqlConnectOptions::from_str(url).map_err(refused)?;
            open::<sqlx::MySql>(options, connects).await
        }
        None => Err(Failure::refused(
            "usage",
            "the URL names no database that is known here: use sqlite:FILE, postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE",
        )),
    }
}

fn in_a_file(options: &SqliteConnectOptions) -> Result<(), Failure> {
    let file = options.get_filename();
    let shown = file.display();
    if shown.to_string().starts_with("file:sqlx-in-memory") {
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
) -> Result<Runner, Failure>
where
    for<'a> &'a Pool<D>: IntoStorage,
{
    if connects {
        // The pool tries again until its patience is at an end, and then only says that.
        let connected = match tokio::time::timeout(PATIENCE, options.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        };
        let closed = match connected {
            Ok(connection) => connection.close().await,
            Err(error) => Err(error),
        };
        closed.map_err(|error| {
            Failure::database("could not connect to the database").caused_by(&error)
        })?;
    }
    let pool = PoolOptions::<D>::new()
        .max_connections(2)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options);
    Ok(Runner::new(&pool))
}
