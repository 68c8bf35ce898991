//! The tools whose history can be adopted, and their tables.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A tool that applied changes before Flamingock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Tool {
    /// `sqlx migrate`: the table `_sqlx_migrations`.
    Sqlx,
    /// refinery: the table `refinery_schema_history`.
    Refinery,
    /// sea-orm-migration: the table `seaql_migrations`.
    SeaOrm,
    /// diesel: the table `__diesel_schema_migrations`.
    Diesel,
    /// goose: the table `goose_db_version`.
    Goose,
    /// Flyway: the table `flyway_schema_history`.
    Flyway,
    /// dbmate: the table `schema_migrations`.
    Dbmate,
    /// golang-migrate: the table `schema_migrations`, which has one version and a flag for whether
    /// it is dirty.
    GolangMigrate,
    /// Atlas: the table `atlas_schema_revisions`.
    Atlas,
    /// Liquibase: the table `DATABASECHANGELOG`.
    Liquibase,
    /// Flamingock for Java: the table `flamingockAuditLog`.
    FlamingockJava,
    /// Mongock: an export of its collection as JSON.
    Mongock,
}

impl Tool {
    /// All tools.
    pub const ALL: [Tool; 12] = [
        Tool::Sqlx,
        Tool::Refinery,
        Tool::SeaOrm,
        Tool::Diesel,
        Tool::Goose,
        Tool::Flyway,
        Tool::Dbmate,
        Tool::GolangMigrate,
        Tool::Atlas,
        Tool::Liquibase,
        Tool::FlamingockJava,
        Tool::Mongock,
    ];

    /// Returns the name for a command, such as `"sqlx"`, `"sea-orm"` or `"flamingock-java"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Tool::Sqlx => "sqlx",
            Tool::Refinery => "refinery",
            Tool::SeaOrm => "sea-orm",
            Tool::Diesel => "diesel",
            Tool::Goose => "goose",
            Tool::Flyway => "flyway",
            Tool::Dbmate => "dbmate",
            Tool::GolangMigrate => "golang-migrate",
            Tool::Atlas => "atlas",
            Tool::Liquibase => "liquibase",
            Tool::FlamingockJava => "flamingock-java",
            Tool::Mongock => "mongock",
        }
    }

    /// Returns the usual table of the tool's history; `None` for Mongock, whose store is no SQL
    /// database.
    pub fn table(self) -> Option<&'static str> {
        match self {
            Tool::Sqlx => Some("_sqlx_migrations"),
            Tool::Refinery => Some("refinery_schema_history"),
            Tool::SeaOrm => Some("seaql_migrations"),
            Tool::Diesel => Some("__diesel_schema_migrations"),
            Tool::Goose => Some("goose_db_version"),
            Tool::Flyway => Some("flyway_schema_history"),
            Tool::Dbmate | Tool::GolangMigrate => Some("schema_migrations"),
            Tool::Atlas => Some("atlas_schema_revisions"),
            Tool::Liquibase => Some("DATABASECHANGELOG"),
            Tool::FlamingockJava => Some("flamingockAuditLog"),
            Tool::Mongock => None,
        }
    }

    /// Reports whether the tool quotes the names of its tables. PostgreSQL folds the others to
    /// lower case.
    pub(super) fn quotes_names(self) -> bool {
        match self {
            Tool::SeaOrm | Tool::Flyway | Tool::Dbmate | Tool::GolangMigrate | Tool::Atlas => true,
            Tool::Sqlx
            | Tool::Refinery
            | Tool::Diesel
            | Tool::Goose
            | Tool::Liquibase
            | Tool::FlamingockJava
            | Tool::Mongock => false,
        }
    }

    /// Returns the names of the table in older versions of the tool.
    pub(super) fn former_tables(self) -> &'static [&'static str] {
        match self {
            // The name before version 5. Later versions keep using the table if it exists.
            Tool::Flyway => &["schema_version"],
            Tool::Sqlx
            | Tool::Refinery
            | Tool::SeaOrm
            | Tool::Diesel
            | Tool::Goose
            | Tool::Dbmate
            | Tool::GolangMigrate
            | Tool::Atlas
            | Tool::Liquibase
            | Tool::FlamingockJava
            | Tool::Mongock => &[],
        }
    }

    /// Returns the schema of the tool's table, if the session's own schema does not have it.
    pub(super) fn own_schema(self) -> Option<&'static str> {
        match self {
            // Unless Atlas's connection is bound to a schema.
            Tool::Atlas => Some("atlas_schema_revisions"),
            Tool::Sqlx
            | Tool::Refinery
            | Tool::SeaOrm
            | Tool::Diesel
            | Tool::Goose
            | Tool::Flyway
            | Tool::Dbmate
            | Tool::GolangMigrate
            | Tool::Liquibase
            | Tool::FlamingockJava
            | Tool::Mongock => None,
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error for an unknown name of a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tool is called {0:?}: use one of {tools}", tools = Tool::ALL.map(Tool::as_str).join(", "))]
pub struct UnknownTool(String);

impl FromStr for Tool {
    type Err = UnknownTool;

    fn from_str(text: &str) -> Result<Tool, UnknownTool> {
        Tool::ALL
            .into_iter()
            .find(|tool| tool.as_str() == text)
            .ok_or_else(|| UnknownTool(text.to_owned()))
    }
}
