//! The persistent data of an application: tables and rows in a database, and keys in Redis.
//!
//! ```console
//! $ redis-server
//! $ cargo run -p persistent-storage -- apply
//! ```
//!
//! `DATABASE_URL` can name another database than the file `persistent-storage.db`: SQLite,
//! PostgreSQL or MySQL. `REDIS_URL` is the Redis.

mod baskets;

use std::env;
use std::process::ExitCode;

use flamingock::{BoxError, Runner, TargetSystem};

/// sqlx has a connection type for each database, so a change is written for one of them. Here the
/// same code works for all three.
macro_rules! database {
    ($name:ident, $pool:ty, $connection:ty) => {
        mod $name {
            use flamingock::{Runner, change, changes, rollback};

            use crate::baskets::baskets_for_carts;

            /// Creates the `customers` table.
            #[change(id = "create-customers", order = "0001", register = false)]
            async fn create_customers(db: &mut $connection) -> Result<(), sqlx::Error> {
                let table = "CREATE TABLE customers (
                    number INT PRIMARY KEY, name VARCHAR(40) NOT NULL)";
                sqlx::query(table).execute(db).await?;
                Ok(())
            }

            #[rollback(create_customers)]
            async fn drop_customers(db: &mut $connection) -> Result<(), sqlx::Error> {
                sqlx::query("DROP TABLE customers").execute(db).await?;
                Ok(())
            }

            /// Adds the customers whose baskets are in Redis.
            #[change(id = "first-customers", order = "0002", register = false)]
            async fn first_customers(db: &mut $connection) -> Result<(), sqlx::Error> {
                let rows = "INSERT INTO customers VALUES (7, 'Ada'), (8, 'Ben')";
                sqlx::query(rows).execute(db).await?;
                Ok(())
            }

            #[rollback(first_customers)]
            async fn delete_first_customers(db: &mut $connection) -> Result<(), sqlx::Error> {
                sqlx::query("DELETE FROM customers WHERE number IN (7, 8)")
                    .execute(db)
                    .await?;
                Ok(())
            }

            pub(crate) fn runner(url: &str) -> Result<Runner, sqlx::Error> {
                let pool = <$pool>::connect_lazy(url)?;
                let changes = changes![create_customers, first_customers, baskets_for_carts];
                Ok(Runner::new(&pool).changes(changes))
            }
        }
    };
}

database!(sqlite, sqlx::SqlitePool, sqlx::SqliteConnection);
database!(postgres, sqlx::PgPool, sqlx::PgConnection);
database!(mysql, sqlx::MySqlPool, sqlx::MySqlConnection);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let url = env::var("DATABASE_URL");
    let url = url
        .as_deref()
        .unwrap_or("sqlite://persistent-storage.db?mode=rwc");
    let runner = match url.split(':').next() {
        Some("sqlite") => sqlite::runner(url)?,
        Some("postgres" | "postgresql") => postgres::runner(url)?,
        Some("mysql" | "mariadb") => mysql::runner(url)?,
        _ => return Err("DATABASE_URL must begin with sqlite:, postgres: or mysql:".into()),
    };
    Ok(flamingock::cli::run(with_redis(runner)?).await)
}

/// The client connects when a change takes a connection from it.
fn with_redis(runner: Runner) -> Result<Runner, BoxError> {
    let url = env::var("REDIS_URL");
    let url = url.as_deref().unwrap_or("redis://127.0.0.1:6379");
    let redis = redis::Client::open(url)?;
    Ok(runner
        .service("shop")
        .target(TargetSystem::new("redis").provide(redis)))
}
