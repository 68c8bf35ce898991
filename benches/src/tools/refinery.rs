//! refinery, with its drivers.

use async_trait::async_trait;
use refinery::{Migration, Runner};
use tokio::task::block_in_place;

use super::{BoxError, Starter, step_name, step_sql};
use crate::database::Database;

struct Start<C> {
    connection: C,
    runner: Runner,
}

#[async_trait]
impl Starter for Start<tokio_postgres::Client> {
    async fn start(&mut self) -> Result<(), BoxError> {
        Ok(self
            .runner
            .run_async(&mut self.connection)
            .await
            .map(drop)?)
    }
}

#[async_trait]
impl Starter for Start<rusqlite::Connection> {
    async fn start(&mut self) -> Result<(), BoxError> {
        Ok(block_in_place(|| self.runner.run(&mut self.connection)).map(drop)?)
    }
}

#[async_trait]
impl Starter for Start<mysql::Conn> {
    async fn start(&mut self) -> Result<(), BoxError> {
        Ok(block_in_place(|| self.runner.run(&mut self.connection)).map(drop)?)
    }
}

pub(super) async fn open(
    database: Database,
    url: &str,
    count: usize,
) -> Result<Box<dyn Starter>, BoxError> {
    let step = |number: usize| {
        let name = step_name(number);
        Migration::unapplied(&format!("V{}__{name}", number + 1), &step_sql(&name))
    };
    let steps: Result<Vec<Migration>, _> = (0..count).map(step).collect();
    let runner = Runner::new(&steps?);
    Ok(match database {
        Database::Sqlite => Box::new(Start {
            connection: rusqlite::Connection::open(file(url))?,
            runner,
        }),
        Database::Postgres => {
            let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
            let (connection, work) = connected?;
            tokio::spawn(work);
            Box::new(Start { connection, runner })
        }
        Database::MariaDb => Box::new(Start {
            connection: block_in_place(|| mysql::Conn::new(url))?,
            runner,
        }),
    })
}

/// The path in the URL of a SQLite database.
pub(super) fn file(url: &str) -> &str {
    let path = url.strip_prefix("sqlite://").unwrap_or(url);
    path.split('?').next().unwrap_or(path)
}
