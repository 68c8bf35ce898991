//! The tools, each used as its documentation says, and a hand-written loop.

mod by_hand;
mod diesel;
mod flamingock;
mod refinery;
mod sea_orm;
mod sqlx;

use async_trait::async_trait;

pub(crate) use self::flamingock::run_on_memory;
use crate::database::Database;

/// Whatever went wrong.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// One row, read by its key on a connection of its own: the least that can be asked of a
    /// database.
    OneRow,
    /// The same as an application does it, from its pool.
    OneRowOfPool,
    /// `begin; change; insert; commit` for each change, on one connection.
    ByHand,
    Flamingock,
    /// The same steps as files of SQL.
    FlamingockFiles,
    /// Those files in one atomic stage.
    FlamingockAtomic,
    Diesel,
    Sqlx,
    Refinery,
    SeaOrm,
}

impl Tool {
    /// What keeps a record of what was applied.
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

    /// Connects, and makes `count` steps ready that a start would find in the program.
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
    /// What an application does at its start: everything that is pending.
    async fn start(&mut self) -> Result<(), BoxError>;
}

/// The name of the step with this number.
pub(crate) fn step_name(number: usize) -> String {
    format!("step_{number:05}")
}

/// What the step with this number does, in SQL.
pub(crate) fn step_sql(name: &str) -> String {
    format!("INSERT INTO work (what) VALUES ('{name}')")
}
