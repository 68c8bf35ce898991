//! An application whose binary also runs and operates its changes.
//!
//! ```console
//! $ cargo run -p operations -- apply
//! $ BROKER_DOWN=1 cargo run -p operations -- apply    # the second change fails, and needs manual resolution
//! $ cargo run -p operations -- issue show orders-topic --guidance
//! ```
//!
//! `DATABASE_URL` can name another database than the file `operations.db`: SQLite, PostgreSQL or
//! MySQL.

mod broker;

use std::process::ExitCode;
use std::time::Duration;

use flamingock::{Runner, TargetSystem};

use crate::broker::Broker;

/// sqlx has a connection type for each database, so a change is written for one of them. Here the
/// same code works for all three.
macro_rules! database {
    ($name:ident, $database:ty, $connection:ty) => {
        mod $name {
            use std::time::Duration;

            use flamingock::{Runner, change, changes, rollback, verify};
            use sqlx::pool::PoolOptions;

            use crate::broker::Broker;

            /// Creates the `orders` table.
            #[change(id = "create-orders", order = "0001", register = false)]
            async fn create_orders(db: &mut $connection) -> Result<(), sqlx::Error> {
                let table =
                    "CREATE TABLE orders (number INT PRIMARY KEY, item VARCHAR(40) NOT NULL)";
                sqlx::query(table).execute(db).await?;
                Ok(())
            }

            #[rollback(create_orders)]
            async fn drop_orders(db: &mut $connection) -> Result<(), sqlx::Error> {
                sqlx::query("DROP TABLE orders").execute(db).await?;
                Ok(())
            }

            /// Creates the `orders` topic read by billing and shipping.
            #[change(
                id = "orders-topic",
                order = "0002",
                target = "events",
                register = false
            )]
            async fn orders_topic(broker: &Broker) -> Result<(), std::io::Error> {
                broker.create("orders").await
            }

            #[rollback(orders_topic)]
            async fn delete_orders_topic(broker: &Broker) -> Result<(), std::io::Error> {
                broker.delete("orders").await
            }

            /// Adds the first order.
            #[change(id = "first-order", order = "0003", register = false)]
            async fn first_order(db: &mut $connection) -> Result<(), sqlx::Error> {
                let row = "INSERT INTO orders (number, item) VALUES (1, 'a flamingo')";
                sqlx::query(row).execute(db).await?;
                Ok(())
            }

            #[rollback(first_order)]
            async fn delete_first_order(db: &mut $connection) -> Result<(), sqlx::Error> {
                sqlx::query("DELETE FROM orders WHERE number = 1")
                    .execute(db)
                    .await?;
                Ok(())
            }

            #[verify(first_order)]
            async fn has_first_order(db: &mut $connection) -> Result<bool, sqlx::Error> {
                let orders = "SELECT count(*) FROM orders WHERE number = 1";
                let orders: i64 = sqlx::query_scalar(orders).fetch_one(db).await?;
                Ok(orders == 1)
            }

            /// Connects lazily: `--help` needs no database.
            pub(crate) fn runner(url: &str, patience: Duration) -> Result<Runner, sqlx::Error> {
                let options = PoolOptions::<$database>::new().acquire_timeout(patience);
                let pool = options.connect_lazy(url)?;
                Ok(Runner::new(&pool).changes(changes![create_orders, orders_topic, first_order]))
            }
        }
    };
}

database!(sqlite, sqlx::Sqlite, sqlx::SqliteConnection);
database!(postgres, sqlx::Postgres, sqlx::PgConnection);
database!(mysql, sqlx::MySql, sqlx::MySqlConnection);

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::var("DATABASE_URL");
    let url = url.as_deref().unwrap_or("sqlite://operations.db?mode=rwc");
    let patience = Duration::from_secs(5);
    let runner = match url.split(':').next() {
        Some("postgres" | "postgresql") => postgres::runner(url, patience),
        Some("mysql" | "mariadb") => mysql::runner(url, patience),
        _ => sqlite::runner(url, patience),
    };
    match runner {
        Ok(runner) => flamingock::cli::run(with_broker(runner)).await,
        Err(error) => {
            eprintln!("error: DATABASE_URL: {error}");
            ExitCode::from(2)
        }
    }
}

fn with_broker(runner: Runner) -> Runner {
    let events = TargetSystem::new("events")
        .description("the topics that other services read")
        .provide(Broker::from_environment());
    runner.service("orders").target(events)
}
