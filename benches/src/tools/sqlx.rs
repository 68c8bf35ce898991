//! `sqlx migrate`, as `migrate!(..).run(&pool)` does it.

use async_trait::async_trait;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlSafeStr as _, SqlitePool};

use super::{BoxError, Starter, step_name, step_sql};
use crate::database::Database;

struct Start<P> {
    pool: P,
    migrator: Migrator,
}

macro_rules! start {
    ($pool:ty) => {
        #[async_trait]
        impl Starter for Start<$pool> {
            async fn start(&mut self) -> Result<(), BoxError> {
                Ok(self.migrator.run(&self.pool).await?)
            }
        }
    };
}

start!(SqlitePool);
start!(PgPool);
start!(MySqlPool);

pub(super) async fn open(
    database: Database,
    url: &str,
    count: usize,
) -> Result<Box<dyn Starter>, BoxError> {
    let step = |number: usize| {
        let name = step_name(number);
        let sql = AssertSqlSafe(step_sql(&name)).into_sql_str();
        let version = i64::try_from(number)? + 1;
        Ok(Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql,
            false,
        ))
    };
    let steps: Result<Vec<Migration>, BoxError> = (0..count).map(step).collect();
    let migrator = Migrator::with_migrations(steps?);
    Ok(match database {
        Database::Sqlite => Box::new(Start {
            pool: SqlitePool::connect(url).await?,
            migrator,
        }),
        Database::Postgres => Box::new(Start {
            pool: PgPool::connect(url).await?,
            migrator,
        }),
        Database::MariaDb => Box::new(Start {
            pool: MySqlPool::connect(url).await?,
            migrator,
        }),
    })
}
