//! `diesel_migrations`, with its steps in the program, as by `embed_migrations!`.

use std::fmt;

use async_trait::async_trait;
use diesel::backend::Backend;
use diesel::connection::BoxableConnection;
use diesel::migration::{
    Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion, Result,
};
use diesel::{Connection, PgConnection, SqliteConnection};
use diesel_migrations::MigrationHarness as _;
use tokio::task::block_in_place;

use super::{BoxError, Starter, step_name, step_sql};
use crate::database::Database;

#[derive(Clone)]
struct Step {
    name: String,
    sql: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl MigrationName for Step {
    fn version(&self) -> MigrationVersion<'_> {
        MigrationVersion::from(&self.name)
    }
}

impl MigrationMetadata for Step {}

impl<DB: Backend> Migration<DB> for Step {
    fn run(&self, connection: &mut dyn BoxableConnection<DB>) -> Result<()> {
        Ok(connection.batch_execute(&self.sql)?)
    }

    fn revert(&self, _: &mut dyn BoxableConnection<DB>) -> Result<()> {
        Err("a step has no way back".into())
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

#[derive(Clone, Copy)]
struct Steps<'a>(&'a [Step]);

impl<DB: Backend> MigrationSource<DB> for Steps<'_> {
    fn migrations(&self) -> Result<Vec<Box<dyn Migration<DB>>>> {
        let steps = self.0.iter();
        Ok(steps
            .map(|step| Box::new(step.clone()) as Box<dyn Migration<DB>>)
            .collect())
    }
}

struct Start<C> {
    connection: C,
    steps: Vec<Step>,
}

macro_rules! start {
    ($connection:ty) => {
        #[async_trait]
        impl Starter for Start<$connection> {
            async fn start(&mut self) -> std::result::Result<(), BoxError> {
                let Start { connection, steps } = self;
                block_in_place(|| connection.run_pending_migrations(Steps(steps)).map(drop))
            }
        }
    };
}

start!(SqliteConnection);
start!(PgConnection);

pub(super) fn open(
    database: Database,
    url: &str,
    count: usize,
) -> std::result::Result<Box<dyn Starter>, BoxError> {
    let step = |number: usize| {
        let name = step_name(number);
        let sql = step_sql(&name);
        Step { name, sql }
    };
    let steps = (0..count).map(step).collect();
    block_in_place(|| match database {
        Database::Sqlite => {
            let connection = SqliteConnection::establish(super::refinery::file(url))?;
            Ok(Box::new(Start { connection, steps }) as Box<dyn Starter>)
        }
        Database::Postgres => {
            let connection = PgConnection::establish(url)?;
            Ok(Box::new(Start { connection, steps }) as Box<dyn Starter>)
        }
        Database::MariaDb => Err("diesel's client for MariaDB is not built here".into()),
    })
}
