//! The databases that a scenario runs on, and an empty one for each test.

use std::future::Future;
use std::path::PathBuf;

use sqlx::pool::PoolOptions;
use sqlx::{Database, Pool};
use tempfile::TempDir;

use crate::sql::{PlainSql, with_hook};

/// A kind of database that scenarios run on.
pub trait Backend: Sized + Send + Sync + 'static {
    /// The sqlx driver.
    type Db: PlainSql;

    /// The display name.
    const NAME: &'static str;

    /// An empty database for one test.
    ///
    /// # Panics
    ///
    /// Panics if there is none: a requested backend is never skipped.
    fn fresh() -> impl Future<Output = TestDatabase<Self>> + Send;
}

/// SQLite, in a file.
#[derive(Debug)]
pub struct Sqlite;

impl Backend for Sqlite {
    type Db = sqlx::Sqlite;

    const NAME: &'static str = "SQLite";

    async fn fresh() -> TestDatabase<Self> {
        let folder = tempfile::Builder::new()
            .prefix("flamingock-sqlite-")
            .tempdir()
            .expect("a temporary folder can be made");
        let file = folder.path().join("test.db");
        TestDatabase::new(
            format!("sqlite://{}?mode=rwc", file.display()),
            Cleanup::Folder(folder),
        )
    }
}

/// The database of one test. It is dropped with this value, unless the test fails: then the
/// database stays on a server that outlives the test, for inspection.
#[derive(Debug)]
pub struct TestDatabase<B: Backend> {
    /// The URL for sqlx.
    pub url: String,
    cleanup: Cleanup,
    backend: std::marker::PhantomData<B>,
}

#[derive(Debug)]
pub(crate) enum Cleanup {
    /// Removed by its own drop.
    Folder(TempDir),
    /// A database on a server: the URL to connect to, and the statement that drops it.
    Statement { admin_url: String, sql: String },
}

impl<B: Backend> TestDatabase<B> {
    pub(crate) fn new(url: String, cleanup: Cleanup) -> Self {
        Self {
            url,
            cleanup,
            backend: std::marker::PhantomData,
        }
    }

    /// The same database for a driver of another kind that understands its URL.
    #[must_use]
    pub fn of<A: Backend>(mut other: TestDatabase<A>) -> Self {
        let nothing = Cleanup::Folder(TempDir::new().expect("a temporary folder can be made"));
        let cleanup = std::mem::replace(&mut other.cleanup, nothing);
        Self::new(std::mem::take(&mut other.url), cleanup)
    }

    /// A new pool of at most `max_connections`, with one connection open.
    ///
    /// # Panics
    ///
    /// When no connection can be made.
    pub async fn pool(&self, max_connections: u32) -> Pool<B::Db> {
        self.pool_with(PoolOptions::new().max_connections(max_connections))
            .await
    }

    /// The same, and each session runs this text first.
    ///
    /// # Panics
    ///
    /// When no connection can be made.
    pub async fn pool_with_hook(&self, max_connections: u32, text: &str) -> Pool<B::Db> {
        let options = PoolOptions::new().max_connections(max_connections);
        self.pool_with(with_hook(options, text)).await
    }

    /// A new pool with these options, with one connection open.
    ///
    /// # Panics
    ///
    /// When no connection can be made.
    pub async fn pool_with(&self, options: PoolOptions<B::Db>) -> Pool<B::Db> {
        options
            .connect(&self.url)
            .await
            .unwrap_or_else(|error| panic!("{} at {}: {error}", B::NAME, self.url))
    }

    /// The folder of this test, for a database in a file.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.cleanup {
            Cleanup::Folder(folder) => Some(folder.path().to_owned()),
            Cleanup::Statement { .. } => None,
        }
    }
}

impl<B: Backend> Drop for TestDatabase<B> {
    fn drop(&mut self) {
        let Cleanup::Statement { admin_url, sql } = &self.cleanup else {
            return;
        };
        if std::thread::panicking() {
            eprintln!("the failed test's database: {}", self.url);
            return;
        }
        drop_database::<B::Db>(admin_url.clone(), sql.clone());
    }
}

/// Best effort, on its own thread: a runtime can't block on another one.
fn drop_database<D: Database + PlainSql>(admin_url: String, sql: String) {
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let limit = std::time::Duration::from_secs(5);
            let _ = tokio::time::timeout(limit, crate::sql::once::<D>(&admin_url, &sql)).await;
        });
        std::io::Result::Ok(())
    });
    let _ = dropping.join();
}
