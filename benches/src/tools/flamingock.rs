//! Flamingock, with as many changes as are asked for.

use async_trait::async_trait;
use flamingock::__private::Definition;
use flamingock::{Context, MemoryStore, Runner, change, changes};
use flamingock_tests::many;
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

use super::{BoxError, Starter, step_sql};
use crate::database::Database;

macro_rules! insert {
    ($name:ident, $connection:ty) => {
        #[change(id = "insert", order = "000", detached)]
        async fn $name(db: &mut $connection, context: &Context) -> Result<(), sqlx::Error> {
            let sql = step_sql(context.change_id());
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(db)
                .await
                .map(drop)
        }
    };
}

insert!(on_sqlite, sqlx::SqliteConnection);
insert!(on_postgres, sqlx::PgConnection);
insert!(on_mariadb, sqlx::MySqlConnection);

#[change(id = "nothing", order = "000", detached)]
async fn nothing() {}

/// Changes of a program that has that many: each is what the attribute makes, under a name of its own.
fn definitions(database: Database, count: usize) -> Vec<&'static Definition> {
    let base = match database {
        Database::Sqlite => changes![on_sqlite],
        Database::Postgres => changes![on_postgres],
        Database::MariaDb => changes![on_mariadb],
    };
    many(base[0], count)
}

/// Starts with that many changes, all of them applied, on a store in memory: the engine's own work.
pub(crate) async fn run_on_memory(
    store: &MemoryStore,
    count: usize,
) -> Result<impl Fn() -> Runner, BoxError> {
    let changes = many(changes![nothing][0], count);
    let store = store.clone();
    let runner = move || Runner::new(&store).changes(changes.iter().copied());
    runner().run().await?;
    Ok(runner)
}

struct Start<P> {
    pool: P,
    changes: Vec<&'static Definition>,
}

macro_rules! start {
    ($pool:ty) => {
        #[async_trait]
        impl Starter for Start<$pool> {
            async fn start(&mut self) -> Result<(), BoxError> {
                let runner = Runner::new(&self.pool).changes(self.changes.iter().copied());
                Ok(runner.run().await.map(drop)?)
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
    let changes = definitions(database, count);
    Ok(match database {
        Database::Sqlite => Box::new(Start {
            pool: SqlitePool::connect(url).await?,
            changes,
        }),
        Database::Postgres => Box::new(Start {
            pool: PgPool::connect(url).await?,
            changes,
        }),
        Database::MariaDb => Box::new(Start {
            pool: MySqlPool::connect(url).await?,
            changes,
        }),
    })
}
