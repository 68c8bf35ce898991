//! A pool for the kind of database that a URL names.

use std::time::Duration;

use flamingock::{Definition, Phase};
use flamingock::{Runner, TargetSystem};
use sqlx::pool::PoolOptions;
use sqlx::{MySqlPool, PgPool, SqlitePool};

use crate::arguments::Arguments;
use crate::{mariadb, postgres, sqlite};

#[derive(Debug)]
pub(crate) enum AnyPool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MariaDb(MySqlPool),
}

impl AnyPool {
    pub(crate) fn of(url: &str, connections: u32) -> AnyPool {
        if url.starts_with("sqlite") {
            AnyPool::Sqlite(options(connections).connect_lazy(url).unwrap())
        } else if url.starts_with("postgres") {
            AnyPool::Postgres(options(connections).connect_lazy(url).unwrap())
        } else {
            AnyPool::MariaDb(options(connections).connect_lazy(url).unwrap())
        }
    }

    /// A runner with its audit here, and the changes in this database's SQL dialect.
    pub(crate) fn runner(&self, arguments: &Arguments) -> Runner {
        let (names, other) = (&arguments.changes, arguments.others());
        let placed = |changes: Vec<&'static Definition>| match arguments.background {
            true => changes.into_iter().map(in_background).collect(),
            false => changes,
        };
        match self {
            AnyPool::Sqlite(pool) => Runner::new(pool)
                .templates(sqlite::changes::known())
                .changes(placed(sqlite::changes::chosen(names, other))),
            AnyPool::Postgres(pool) => Runner::new(pool)
                .templates(postgres::changes::known())
                .changes(placed(postgres::changes::chosen(names, other))),
            AnyPool::MariaDb(pool) => Runner::new(pool)
                .templates(mariadb::changes::known())
                .changes(placed(mariadb::changes::chosen(names, other))),
        }
    }

    pub(crate) fn target(&self, name: &str) -> TargetSystem {
        match self {
            AnyPool::Sqlite(pool) => TargetSystem::sqlx(name, pool),
            AnyPool::Postgres(pool) => TargetSystem::sqlx(name, pool),
            AnyPool::MariaDb(pool) => TargetSystem::sqlx(name, pool),
        }
    }
}

/// The same change in the background.
fn in_background(change: &'static Definition) -> &'static Definition {
    let builder = flamingock::testing::change(change.id);
    builder.like(change).phase(Phase::Background).build()
}

/// A database that is unreachable fails within the wait, not within the pool's 30 seconds.
fn options<D: sqlx::Database>(connections: u32) -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(2))
}
