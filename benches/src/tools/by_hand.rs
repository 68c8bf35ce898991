//! A loop written by hand, without a tool.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{BoxError, Starter, Tool, step_name, step_sql};
use crate::database::Database;

struct OneRow<C>(C);

struct OneRowOfPool<P>(P);

struct Loop<C> {
    connection: C,
    count: usize,
}

macro_rules! by_hand {
    ($connection:ty, $pool:ty, $mark:literal) => {
        #[async_trait]
        impl Starter for OneRow<$connection> {
            async fn start(&mut self) -> Result<(), BoxError> {
                let sql = concat!("SELECT what FROM one WHERE id = ", $mark);
                sqlx::query(sql).bind(1).fetch_one(&mut self.0).await?;
                Ok(())
            }
        }

        #[async_trait]
        impl Starter for OneRowOfPool<$pool> {
            async fn start(&mut self) -> Result<(), BoxError> {
                let sql = concat!("SELECT what FROM one WHERE id = ", $mark);
                sqlx::query(sql).bind(1).fetch_one(&self.0).await?;
                Ok(())
            }
        }

        #[async_trait]
        impl Starter for Loop<$connection> {
            async fn start(&mut self) -> Result<(), BoxError> {
                for number in 0..self.count {
                    let name = step_name(number);
                    let mut transaction = self.connection.begin().await?;
                    let change = sqlx::raw_sql(AssertSqlSafe(step_sql(&name)));
                    change.execute(&mut *transaction).await?;
                    let record = concat!("INSERT INTO by_hand VALUES (", $mark, ", 'APPLIED')");
                    let record = sqlx::query(record).bind(name);
                    record.execute(&mut *transaction).await?;
                    transaction.commit().await?;
                }
                Ok(())
            }
        }
    };
}

by_hand!(sqlx::SqliteConnection, sqlx::SqlitePool, "?");
by_hand!(sqlx::PgConnection, sqlx::PgPool, "$1");
by_hand!(sqlx::MySqlConnection, sqlx::MySqlPool, "?");

pub(super) async fn open(
    tool: Tool,
    database: Database,
    url: &str,
    count: usize,
) -> Result<Box<dyn Starter>, BoxError> {
    macro_rules! open {
        ($connection:ty, $pool:ty) => {
            match tool {
                Tool::OneRow => Box::new(OneRow(<$connection>::connect(url).await?)),
                Tool::OneRowOfPool => Box::new(OneRowOfPool(<$pool>::connect(url).await?)),
                _ => Box::new(Loop {
                    connection: <$connection>::connect(url).await?,
                    count,
                }),
            }
        };
    }
    Ok(match database {
        Database::Sqlite => open!(sqlx::SqliteConnection, sqlx::SqlitePool),
        Database::Postgres => open!(sqlx::PgConnection, sqlx::PgPool),
        Database::MariaDb => open!(sqlx::MySqlConnection, sqlx::MySqlPool),
    })
}
