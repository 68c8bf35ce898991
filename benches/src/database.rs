//! The three databases, and an empty one of each for every measurement.

use std::any::Any;

use flamingock_tests::{Backend as _, MariaDb, Postgres, Sqlite, sql};

/// Where to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    MariaDb,
}

/// An empty database that goes with this value.
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
    pub(crate) async fn fresh(self) -> Fresh {
        let fresh = match self {
            Database::Sqlite => keep(Sqlite::fresh().await),
            Database::Postgres => keep(Postgres::fresh().await),
            Database::MariaDb => keep(MariaDb::fresh().await),
        };
        let one = "CREATE TABLE one (id INTEGER PRIMARY KEY, what VARCHAR(200))";
        for sql in [
            "CREATE TABLE work (what VARCHAR(200))",
            "CREATE TABLE by_hand (id VARCHAR(200) PRIMARY KEY, state VARCHAR(20) NOT NULL)",
            one,
            "INSERT INTO one VALUES (1, 'row')",
        ] {
            self.rows(&fresh.url, sql).await;
        }
        fresh
    }

    /// Runs SQL on a connection of its own.
    ///
    /// # Panics
    ///
    /// When the database refuses it: nothing can be measured then.
    pub(crate) async fn rows(self, url: &str, text: &str) -> Vec<String> {
        let rows = match self {
            Database::Sqlite => sql::once::<sqlx::Sqlite>(url, text).await,
            Database::Postgres => sql::once::<sqlx::Postgres>(url, text).await,
            Database::MariaDb => sql::once::<sqlx::MySql>(url, text).await,
        };
        rows.unwrap_or_else(|error| panic!("{}: {text}\n{error}", self.name()))
    }

    /// What the server says it is.
    pub(crate) async fn version(self) -> String {
        let fresh = self.fresh().await;
        let question = match self {
            Database::Sqlite => "SELECT sqlite_version()",
            Database::Postgres => "SHOW server_version",
            Database::MariaDb => "SELECT version()",
        };
        format!(
            "{} {}",
            self.name(),
            self.rows(&fresh.url, question).await.join(" ")
        )
    }

    /// Lets the server commit lazily: for preparing what is only read afterwards.
    pub(crate) async fn commit_lazily(self, url: &str, lazily: bool) {
        match self {
            Database::Sqlite => {}
            Database::Postgres => {
                let name = url.rsplit('/').next().unwrap_or_default();
                let word = if lazily { "off" } else { "on" };
                let sql = format!("ALTER DATABASE {name} SET synchronous_commit = {word}");
                self.rows(url, &sql).await;
            }
            Database::MariaDb => {
                let number = if lazily { 0 } else { 1 };
                let sql = format!("SET GLOBAL innodb_flush_log_at_trx_commit = {number}");
                self.rows(url, &sql).await;
            }
        }
    }
}

fn keep<B: flamingock_tests::Backend>(database: flamingock_tests::TestDatabase<B>) -> Fresh {
    Fresh {
        url: database.url.clone(),
        _guard: Box::new(database),
    }
}
