//! sea-orm-migration.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::{BoxError, Starter, step_name, step_sql};

/// The trait's list of steps has no argument.
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Steps;

impl MigratorTrait for Steps {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let count = COUNT.load(Ordering::Relaxed);
        (0..count)
            .map(|number| Box::new(Step(step_name(number))) as Box<dyn MigrationTrait>)
            .collect()
    }
}

struct Step(String);

impl MigrationName for Step {
    fn name(&self) -> &str {
        &self.0
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the trait is written so")]
#[async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(&step_sql(&self.0))
            .await
            .map(drop)
    }
}

struct Start {
    connection: DatabaseConnection,
    count: usize,
}

#[async_trait]
impl Starter for Start {
    async fn start(&mut self) -> Result<(), BoxError> {
        COUNT.store(self.count, Ordering::Relaxed);
        Ok(Steps::up(&self.connection, None).await?)
    }
}

pub(super) async fn open(url: &str, count: usize) -> Result<Box<dyn Starter>, BoxError> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    let connection = Database::connect(options).await?;
    Ok(Box::new(Start { connection, count }))
}
