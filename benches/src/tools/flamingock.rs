//! Flamingock, with a given number of changes: in code, and as SQL files.

use async_trait::async_trait;
use flamingock::__private::{Defaults, Definition, EmbeddedFolder, Location};
use flamingock::{Context, MemoryStore, Runner, Stage, change, changes};
use flamingock_tests::many;
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

use super::{BoxError, Starter, Tool, step_name, step_sql};
use crate::database::Database;

macro_rules! insert {
    ($name:ident, $connection:ty) => {
        #[change(id = "insert", order = "000", register = false)]
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

#[change(id = "nothing", order = "000", register = false)]
async fn nothing() {}

/// The changes of a program: each is what the attribute generates, under its own name.
fn definitions(database: Database, count: usize) -> Vec<&'static Definition> {
    let base = match database {
        Database::Sqlite => changes![on_sqlite],
        Database::Postgres => changes![on_postgres],
        Database::MariaDb => changes![on_mariadb],
    };
    many(base[0], count)
}

/// A folder with that many files, as embedded by `include_files!`.
fn folder(count: usize) -> &'static EmbeddedFolder {
    let file = |number: usize| -> (&'static str, &'static str) {
        let name = step_name(number);
        let sql = step_sql(&name);
        (format!("{number:05}__{name}.sql").leak(), sql.leak())
    };
    let files: Vec<_> = (0..count).map(file).collect();
    let here = Location {
        file: file!(),
        line: line!(),
    };
    let (module, author) = (module_path!(), env!("CARGO_PKG_NAME"));
    let folder = EmbeddedFolder::new(
        "steps",
        here,
        module,
        author,
        Defaults::NONE,
        files.leak(),
        None,
    );
    Box::leak(Box::new(folder))
}

/// Runs that many applied changes on a store in memory: the engine's own work.
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

/// The changes of a program.
enum Steps {
    Code(Vec<&'static Definition>),
    Files(&'static EmbeddedFolder),
    Together(&'static EmbeddedFolder),
}

struct Start<P> {
    pool: P,
    steps: Steps,
}

macro_rules! start {
    ($pool:ty) => {
        #[async_trait]
        impl Starter for Start<$pool> {
            async fn start(&mut self) -> Result<(), BoxError> {
                let runner = Runner::new(&self.pool);
                let runner = match &self.steps {
                    Steps::Code(changes) => runner.changes(changes.iter().copied()),
                    Steps::Files(folder) => runner.files(folder),
                    Steps::Together(folder) => {
                        runner.files(folder).stage(Stage::new("default").atomic())
                    }
                };
                Ok(runner.run().await.map(drop)?)
            }
        }
    };
}

start!(SqlitePool);
start!(PgPool);
start!(MySqlPool);

pub(super) async fn open(
    tool: Tool,
    database: Database,
    url: &str,
    count: usize,
) -> Result<Box<dyn Starter>, BoxError> {
    let steps = match tool {
        Tool::FlamingockFiles => Steps::Files(folder(count)),
        Tool::FlamingockAtomic => Steps::Together(folder(count)),
        _ => Steps::Code(definitions(database, count)),
    };
    Ok(match database {
        Database::Sqlite => Box::new(Start {
            pool: SqlitePool::connect(url).await?,
            steps,
        }),
        Database::Postgres => Box::new(Start {
            pool: PgPool::connect(url).await?,
            steps,
        }),
        Database::MariaDb => Box::new(Start {
            pool: MySqlPool::connect(url).await?,
            steps,
        }),
    })
}
