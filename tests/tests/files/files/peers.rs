//! Runs the other tools on the folders in their formats.

use std::path::{Path, PathBuf};

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Database, Pool};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/folders")
        .join(name)
}

/// `sqlx migrate run`, up to this version.
pub(crate) async fn sqlx<D>(pool: &Pool<D>, last: Option<i64>)
where
    D: Database,
    D::Connection: Migrate,
{
    let migrator = Migrator::new(folder("peer_sqlx")).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let work = migrator.run_direct(last, &mut *connection, false);
    work.await.unwrap();
}

fn refinery(last: Option<i32>) -> refinery::Runner {
    let files = refinery::load_sql_migrations(folder("peer_refinery")).unwrap();
    let target = last.map_or(refinery::Target::Latest, refinery::Target::Version);
    refinery::Runner::new(&files).set_target(target)
}

pub(crate) mod sqlite {
    use diesel::Connection as _;
    use diesel_migrations::{FileBasedMigrations, MigrationHarness};

    fn file(url: &str) -> &str {
        let path = url.strip_prefix("sqlite://").unwrap();
        path.split('?').next().unwrap()
    }

    pub(crate) async fn refinery(url: &str, last: Option<i32>) {
        let mut connection = rusqlite::Connection::open(file(url)).unwrap();
        super::refinery(last).run(&mut connection).unwrap();
    }

    /// Runs `diesel migration run` that many times, each for the next migration.
    pub(crate) fn diesel(url: &str, count: usize) {
        let mut connection = diesel::SqliteConnection::establish(file(url)).unwrap();
        for _ in 0..count {
            let files = FileBasedMigrations::from_path(super::folder("peer_diesel")).unwrap();
            connection.run_next_migration(files).unwrap();
        }
    }
}

pub(crate) mod postgres {
    pub(crate) async fn refinery(url: &str, last: Option<i32>) {
        let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
        let (mut client, connection) = connected.unwrap();
        let serving = tokio::spawn(connection);
        super::refinery(last).run_async(&mut client).await.unwrap();
        drop(client);
        serving.await.unwrap().unwrap();
    }
}

pub(crate) mod mariadb {
    pub(crate) async fn refinery(url: &str, last: Option<i32>) {
        let url = url.to_owned();
        let work = move || {
            let mut connection = mysql::Conn::new(url.as_str()).unwrap();
            super::refinery(last).run(&mut connection).unwrap();
        };
        tokio::task::spawn_blocking(work).await.unwrap();
    }
}
