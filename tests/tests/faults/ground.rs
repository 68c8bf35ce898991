//! Databases whose kind is only known when the test runs.

use flamingock_tests::sql::once;
use flamingock_tests::{Backend, MariaDb, Postgres, Sqlite, TestDatabase};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    pub(crate) fn is_server(self) -> bool {
        self != Kind::Sqlite
    }
}

/// A database that is one test's own.
#[derive(Debug)]
pub(crate) enum Ground {
    Sqlite(TestDatabase<Sqlite>),
    Postgres(TestDatabase<Postgres>),
    MariaDb(TestDatabase<MariaDb>),
}

impl Ground {
    /// An empty database.
    pub(crate) async fn empty(kind: Kind) -> Ground {
        match kind {
            Kind::Sqlite => Ground::Sqlite(Sqlite::fresh().await),
            Kind::Postgres => Ground::Postgres(Postgres::fresh().await),
            Kind::MariaDb => Ground::MariaDb(MariaDb::fresh().await),
        }
    }

    /// One with the table in which changes leave their traces.
    pub(crate) async fn with_table(kind: Kind) -> Ground {
        let ground = Ground::empty(kind).await;
        rows(ground.url(), "CREATE TABLE done (what VARCHAR(200))").await;
        ground
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Ground::Sqlite(database) => &database.url,
            Ground::Postgres(database) => &database.url,
            Ground::MariaDb(database) => &database.url,
        }
    }
}

/// Asks a database of any kind, on a connection of its own.
pub(crate) async fn rows(url: &str, sql: &str) -> Vec<String> {
    match try_rows(url, sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}\n{error}"),
    }
}

/// The same, where the database may refuse.
pub(crate) async fn try_rows(url: &str, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    if url.starts_with("sqlite") {
        once::<sqlx::Sqlite>(url, sql).await
    } else if url.starts_with("postgres") {
        once::<sqlx::Postgres>(url, sql).await
    } else {
        once::<sqlx::MySql>(url, sql).await
    }
}
