//! Runs the other tools: each creates the tables `users` and `orders`, in two steps.

use std::path::Path;

use flamingock_tests::PlainSql;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Database, Pool};

const USERS: &str = "CREATE TABLE users (id INTEGER)";
const ORDERS: &str = "CREATE TABLE orders (id INTEGER)";

/// The migrations of sqlx.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("0001_create_users.sql", USERS);
    write("0002_create_orders.sql", ORDERS);
    folder
}

async fn migrator(folder: &Path) -> Migrator {
    Migrator::new(folder).await.unwrap()
}

/// `sqlx migrate run`.
pub(crate) async fn sqlx<D>(pool: &Pool<D>)
where
    D: Database + PlainSql,
    D::Connection: Migrate,
{
    let folder = folder();
    let mut connection = pool.acquire().await.unwrap();
    let migrator = migrator(folder.path()).await;
    migrator
        .run_direct(None, &mut *connection, false)
        .await
        .unwrap();
}

fn refinery() -> refinery::Runner {
    let one = |name: &str, text: &str| refinery::Migration::unapplied(name, text).unwrap();
    refinery::Runner::new(&[
        one("V1__create_users", USERS),
        one("V2__create_orders", ORDERS),
    ])
}

mod sea_orm {
    use sea_orm_migration::prelude::*;

    pub(super) struct Both;

    #[async_trait::async_trait]
    impl MigratorTrait for Both {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![
                Box::new(Step("m20240131_000001_create_users", super::USERS)),
                Box::new(Step("m20240131_000002_create_orders", super::ORDERS)),
            ]
        }
    }

    struct Step(&'static str, &'static str);

    impl MigrationName for Step {
        fn name(&self) -> &str {
            self.0
        }
    }

    #[expect(elided_lifetimes_in_paths, reason = "the trait is written so")]
    #[async_trait::async_trait]
    impl MigrationTrait for Step {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let connection = manager.get_connection();
            connection.execute_unprepared(self.1).await.map(drop)
        }
    }
}

/// `sea-orm-cli migrate up`.
pub(crate) async fn sea_orm(url: &str) {
    use sea_orm_migration::MigratorTrait;
    let connection = sea_orm_migration::sea_orm::Database::connect(url);
    let connection = connection.await.unwrap();
    sea_orm::Both::up(&connection, None).await.unwrap();
}

async fn write<D: PlainSql>(url: &str, statements: &[&str]) {
    for statement in statements {
        flamingock_tests::sql::once::<D>(url, statement)
            .await
            .unwrap();
    }
}

pub(crate) mod sqlite {
    use diesel::Connection as _;
    use diesel_migrations::{FileBasedMigrations, MigrationHarness};

    fn file(url: &str) -> &str {
        let path = url.strip_prefix("sqlite://").unwrap();
        path.split('?').next().unwrap()
    }

    /// refinery.
    pub(crate) async fn refinery(url: &str) {
        let mut connection = rusqlite::Connection::open(file(url)).unwrap();
        super::refinery().run(&mut connection).unwrap();
    }

    /// `diesel migration run`.
    pub(crate) async fn diesel(url: &str) {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("up.sql"), text).unwrap();
            std::fs::write(folder.join("down.sql"), "SELECT 1").unwrap();
        };
        write("2024-01-31-120000_create_users", super::USERS);
        write("2024-01-31-120001_create_orders", super::ORDERS);
        let mut connection = diesel::SqliteConnection::establish(file(url)).unwrap();
        let migrations = FileBasedMigrations::from_path(folder.path()).unwrap();
        connection.run_pending_migrations(migrations).unwrap();
    }
}

pub(crate) mod postgres {
    /// The result of `diesel migration run`, whose client for this database is a library in C.
    pub(crate) async fn diesel(url: &str) {
        super::write::<sqlx::Postgres>(url, crate::adopt::rows::DIESEL).await;
    }

    /// refinery.
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
    /// The result of `diesel migration run`, whose client for this database is a library in C.
    pub(crate) async fn diesel(url: &str) {
        super::write::<sqlx::MySql>(url, crate::adopt::rows::DIESEL).await;
    }

    /// refinery.
    pub(crate) async fn refinery(url: &str) {
        let url = url.to_owned();
        let work = move || {
            let mut connection = mysql::Conn::new(url.as_str()).unwrap();
            super::refinery().run(&mut connection).unwrap();
        };
        tokio::task::spawn_blocking(work).await.unwrap();
    }
}
