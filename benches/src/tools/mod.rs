//! The tools, each used according to its documentation, and a loop written by hand.

mod by_hand;
mod diesel;
mod flamingock;
mod refinery;
mod sea_orm;
mod sqlx;

use async_trait::async_trait;

pub(crate) use self::flamingock::run_on_memory;
use crate::database::Database;

/// Any error.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// One row, read by its key on its own connection: the minimal use of a database.
    OneRow,
    /// The same from a pool, like an application.
    OneRowOfPool,
    /// `begin; change; insert; commit` for each change, on one connection.
    ByHand,
    Flamingock,
    /// The same steps as SQL files.
    FlamingockFiles,
    /// Those files in one atomic stage.
    FlamingockAtomic,
    Diesel,
    Sqlx,
    Refinery,
    SeaOrm,
}

impl Tool {
    /// The subjects that record what was applied.
    pub(crate) const RECORDING: [Tool; 5] = [
        Tool::Flamingock,
        Tool::Diesel,
        Tool::Sqlx,
        Tool::Refinery,
        Tool::SeaOrm,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::OneRow => "one row by key, bare connection",
            Tool::OneRowOfPool => "one row by key, from the pool",
            Tool::ByHand => "loop by hand",
            Tool::Flamingock => "Flamingock",
            Tool::FlamingockFiles => "Flamingock, SQL files",
            Tool::FlamingockAtomic => "Flamingock, SQL files in an atomic stage",
            Tool::Diesel => "diesel_migrations",
            Tool::Sqlx => "sqlx migrate",
            Tool::Refinery => "refinery",
            Tool::SeaOrm => "sea-orm-migration",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Tool> {
        let others = [
            Tool::OneRow,
            Tool::OneRowOfPool,
            Tool::ByHand,
            Tool::FlamingockFiles,
            Tool::FlamingockAtomic,
        ];
        let all = others.into_iter().chain(Self::RECORDING);
        all.into_iter().find(|tool| tool.name() == name)
    }

    /// diesel's client for MariaDB is a library in C that is not built here.
    pub(crate) fn knows(self, database: Database) -> bool {
        self != Tool::Diesel || database != Database::MariaDb
    }

    /// Connects, and prepares `count` steps as if they were part of the program.
    pub(crate) async fn open(
        self,
        database: Database,
        url: &str,
        count: usize,
    ) -> Result<Box<dyn Starter>, BoxError> {
        match self {
            Tool::OneRow | Tool::OneRowOfPool | Tool::ByHand => {
                by_hand::open(self, database, url, count).await
            }
            Tool::Flamingock | Tool::FlamingockFiles | Tool::FlamingockAtomic => {
                self::flamingock::open(self, database, url, count).await
            }
            Tool::Diesel => self::diesel::open(database, url, count),
            Tool::Sqlx => self::sqlx::open(database, url, count).await,
            Tool::Refinery => self::refinery::open(database, url, count).await,
            Tool::SeaOrm => self::sea_orm::open(url, count).await,
        }
    }
}

/// A tool that is connected.
#[async_trait]
pub(crate) trait Starter: Send {
    /// The work of an application at its start: everything that is pending.
    async fn start(&mut self) -> Result<(), BoxError>;
}

/// The name of the step with this number.
pub(crate) fn step_name(number: usize) -> String {
    format!("step_{number:05}")
}

/// The SQL of the step with this number.
pub(crate) fn step_sql(name: &str) -> String {
    format!("INSERT INTO work (what) VALUES ('{name}')")
}
