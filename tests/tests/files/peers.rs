//! The other tools at work on the folders that are written in their formats.

use std::path::{Path, PathBuf};

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Database, Pool};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("folders")
        .join(name)
}

/// `sqlx migrate run`.
pub(crate) async fn sqlx<D>(pool: &Pool<D>)
where
    D: Database,
    D::Connection: Migrate,
{
    let migrator = Migrator::new(folder("peer_sqlx")).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let work = migrator.run_direct(None, &mut *connection, false);
    work.await.unwrap();
}

fn refinery() -> refinery::Runner {
    let files = refinery::load_sql_migrations(folder("peer_refinery")).unwrap();
    refinery::Runner::new(&files)
}

pub(crate) mod sqlite {
    use diesel::Connection as _;
    use diesel_migrations::{FileBasedMigrations, MigrationHarness};

    fn file(url: &str) -> &str {
        let path = url.strip_prefix("sqlite://").unwrap();
        path.split('?').next().unwrap()
    }

    pub(crate) async fn refinery(url: &str) {
        let mut connection = rusqlite::Connection::open(file(url)).unwrap();
        super::refinery().run(&mut connection).unwrap();
    }

    /// `diesel migration run`.
    pub(crate) fn diesel(url: &str) {
        let mut connection = diesel::SqliteConnection::establish(file(url)).unwrap();
        let files = FileBasedMigrations::from_path(super::folder("peer_diesel")).unwrap();
        connection.run_pending_migrations(files).unwrap();
    }
}

pub(crate) mod postgres {
    pub(crate) async fn refinery(url: &str) {
        let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
        let (mut client, connection) = connected.unwrap();
        let serving = tokio::spawn(connection);
        super::refinery().run_async(&mut client).await.unwrap();
        drop(client);
        serving.await.unwrap().unwrap();
    }
}

pub(crate) mod mariadb {
    pub(crate) async fn refinery(url: &str) {
        let url = url.to_owned();
        let work = move || {
            let mut connection = mysql::Conn::new(url.as_str()).unwrap();
            super::refinery().run(&mut connection).unwrap();
        };
        tokio::task::spawn_blocking(work).await.unwrap();
    }
}
