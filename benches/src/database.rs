//! The three databases, and an empty one of each for every measurement.

use std::any::Any;
use std::path::Path;

use flamingock_tests::{Backend as _, MariaDb, Postgres, Sqlite, sql};

use crate::tools::BoxError;

/// The database to measure on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    MariaDb,
}

/// An empty database that is dropped with this value.
pub(crate) struct Fresh {
    pub(crate) url: String,
    _guard: Box<dyn Any + Send>,
}

impl Database {
    pub(crate) const ALL: [Database; 3] = [Database::Sqlite, Database::Postgres, Database::MariaDb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Database::Sqlite => "SQLite",
            Database::Postgres => "PostgreSQL",
            Database::MariaDb => "MariaDB",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Database> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// An empty database with the tables that the changes write to.
    pub(crate) async fn fresh(self) -> Result<Fresh, BoxError> {
        let fresh = match self {
            Database::Sqlite => keep(Sqlite::fresh().await),
            Database::Postgres => keep(Postgres::fresh().await),
            Database::MariaDb => keep(MariaDb::fresh().await),
        };
        self.prepare(fresh).await
    }

    /// The same for data that is written once and then only read: commits do not wait for the disk.
    /// [`write_eagerly`](Self::write_eagerly) ends that.
    pub(crate) async fn fresh_to_read(self) -> Result<Fresh, BoxError> {
        match self {
            Database::Sqlite => {
                let memory = Path::new("/dev/shm");
                let folder = match memory.is_dir() {
                    true => tempfile::tempdir_in(memory)?,
                    false => tempfile::tempdir()?,
                };
                let file = folder.path().join("bench.db");
                let url = format!("sqlite://{}?mode=rwc", file.display());
                let guard = Box::new(folder);
                self.prepare(Fresh { url, _guard: guard }).await
            }
            Database::Postgres => {
                let fresh = self.fresh().await?;
                let name = fresh.url.rsplit('/').next().unwrap_or_default();
                let sql = format!("ALTER DATABASE {name} SET synchronous_commit = off");
                self.rows(&fresh.url, &sql).await?;
                Ok(fresh)
            }
            Database::MariaDb => {
                let fresh = self.fresh().await?;
                let sql = "SET GLOBAL innodb_flush_log_at_trx_commit = 0";
                self.rows(&fresh.url, sql).await?;
                Ok(fresh)
            }
        }
    }

    /// Every commit is on disk again when it is acknowledged.
    pub(crate) async fn write_eagerly(self, one: &Fresh) -> Result<(), BoxError> {
        if self == Database::MariaDb {
            let sql = "SET GLOBAL innodb_flush_log_at_trx_commit = 1";
            self.rows(&one.url, sql).await?;
        }
        Ok(())
    }

    async fn prepare(self, fresh: Fresh) -> Result<Fresh, BoxError> {
        for sql in [
            "CREATE TABLE work (what VARCHAR(200))",
            "CREATE TABLE by_hand (id VARCHAR(200) PRIMARY KEY, state VARCHAR(20) NOT NULL)",
            "CREATE TABLE one (id INTEGER PRIMARY KEY, what VARCHAR(200))",
            "INSERT INTO one VALUES (1, 'row')",
        ] {
            self.rows(&fresh.url, sql).await?;
        }
        Ok(fresh)
    }

    /// Runs SQL on its own connection.
    pub(crate) async fn rows(self, url: &str, text: &str) -> Result<Vec<String>, BoxError> {
        let rows = match self {
            Database::Sqlite => sql::once::<sqlx::Sqlite>(url, text).await,
            Database::Postgres => sql::once::<sqlx::Postgres>(url, text).await,
            Database::MariaDb => sql::once::<sqlx::MySql>(url, text).await,
        };
        Ok(rows.map_err(|error| format!("{}: {text}\n{error}", self.name()))?)
    }

    /// The server's version text.
    pub(crate) async fn version(self) -> Result<String, BoxError> {
        let fresh = self.fresh().await?;
        let question = match self {
            Database::Sqlite => "SELECT sqlite_version()",
            Database::Postgres => "SHOW server_version",
            Database::MariaDb => "SELECT version()",
        };
        let answer = self.rows(&fresh.url, question).await?;
        Ok(format!("{} {}", self.name(), answer.join(" ")))
    }
}

fn keep<B: flamingock_tests::Backend>(database: flamingock_tests::TestDatabase<B>) -> Fresh {
    Fresh {
        url: database.url.clone(),
        _guard: Box::new(database),
    }
}
