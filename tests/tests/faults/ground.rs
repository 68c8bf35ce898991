//! Databases whose kind is only known when the test runs.

use std::cell::RefCell;
use std::collections::HashMap;

use flamingock_tests::sql::once;
use flamingock_tests::{Backend, MariaDb, PlainSql, Postgres, Sqlite, TestDatabase, query};
use sqlx::{Connection, MySqlConnection, PgConnection};

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

/// A database of one test.
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

    /// A database with the table for the traces of changes.
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

/// Closes its cached connections: a test with a database for each of hundreds of points would take
/// all connections of the server.
impl Drop for Ground {
    fn drop(&mut self) {
        let forgotten = POSTGRES.try_with(|all| all.borrow_mut().remove(self.url()));
        drop(forgotten);
        let forgotten = MARIADB.try_with(|all| all.borrow_mut().remove(self.url()));
        drop(forgotten);
    }
}

/// Queries a database of any kind, on its own connection.
pub(crate) async fn rows(url: &str, sql: &str) -> Vec<String> {
    match try_rows(url, sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}\n{error}"),
    }
}

/// The same, for a statement that the database may refuse.
pub(crate) async fn try_rows(url: &str, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    if url.starts_with("sqlite") {
        once::<sqlx::Sqlite>(url, sql).await
    } else if url.starts_with("postgres") {
        once::<sqlx::Postgres>(url, sql).await
    } else {
        once::<sqlx::MySql>(url, sql).await
    }
}

type Kept<C> = RefCell<HashMap<String, Vec<C>>>;

thread_local! {
    // A test has its own thread, on which its runtime lives.
    static POSTGRES: Kept<PgConnection> = RefCell::default();
    static MARIADB: Kept<MySqlConnection> = RefCell::default();
}

/// Queries a database like [`rows`], on a connection that the test caches: for hundreds of points,
/// the servers would be busy mostly with new sessions. Not for a query that changes its session.
pub(crate) async fn look(url: &str, sql: &str) -> Vec<String> {
    let answer = if url.starts_with("sqlite") {
        None
    } else if url.starts_with("postgres") {
        kept(&POSTGRES, url, sql).await
    } else {
        kept(&MARIADB, url, sql).await
    };
    match answer {
        Some(rows) => rows,
        None => rows(url, sql).await,
    }
}

/// Returns none on failure, for example on the connection to a server that was restarted.
async fn kept<C>(
    all: &'static std::thread::LocalKey<Kept<C>>,
    url: &str,
    sql: &str,
) -> Option<Vec<String>>
where
    C: Connection,
    C::Database: PlainSql<Connection = C>,
{
    let free = all.with_borrow_mut(|all| all.get_mut(url).and_then(Vec::pop));
    let mut connection = match free {
        Some(connection) => connection,
        None => C::connect(url).await.ok()?,
    };
    let answer = query(&mut connection, sql).await.ok()?;
    all.with_borrow_mut(|all| all.entry(url.to_owned()).or_default().push(connection));
    Some(answer)
}

#[tokio::test]
async fn cached_connections_end_with_their_database() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let (first, second) = (Ground::empty(kind).await, Ground::empty(kind).await);
        look(first.url(), "SELECT 'there'").await;
        look(second.url(), "SELECT 'there'").await;
        drop(first);
        let kept = POSTGRES.with_borrow(|all| all.keys().cloned().collect::<Vec<_>>());
        let kept = [
            kept,
            MARIADB.with_borrow(|all| all.keys().cloned().collect()),
        ]
        .concat();
        assert_eq!(kept, [second.url()]);
    }
}
