//! The format of the tables: which columns they have.
//!
//! The rows of the lock have its number. Tables with another number are refused before anything is
//! read or written.

use std::collections::BTreeSet;

use super::base::{Ledger, Result};
use crate::backend::{Backend, Conn};

/// The format that this version reads and writes.
pub(crate) const FORMAT_VERSION: i64 = 1;

/// How the format of the tables differs from that of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherFormat {
    /// An older version created them.
    #[error(
        "the tables beside {audit} have an older format than this version of Flamingock uses ({FORMAT_VERSION}): they lack {}",
        missing.join(", ")
    )]
    Older {
        /// The name of the audit table.
        audit: String,
        /// The columns that are missing, as `table.column`.
        missing: Vec<String>,
    },
    /// A newer version created or upgraded them.
    #[error(
        "the tables beside {audit} have the format {found}, and this version of Flamingock knows {FORMAT_VERSION}"
    )]
    Newer {
        /// The name of the audit table.
        audit: String,
        /// The format of the tables.
        found: i64,
    },
}

/// A column that tables of an older format lack.
struct Missing {
    /// The column, as `table.column`.
    column: String,
    /// The statement that adds it.
    statement: String,
    /// Whether another column of its table is visible.
    table_is_visible: bool,
}

impl<B: Backend> Ledger<B> {
    /// Returns how a format differs from this version's, if it does.
    pub fn other_format(&self, found: Option<i64>) -> Option<OtherFormat> {
        let audit = self.names.plain("audit");
        found
            .filter(|found| *found > FORMAT_VERSION)
            .map(|found| OtherFormat::Newer { audit, found })
    }

    /// Determines the format from the catalog, after a statement was refused that may have named a
    /// missing column. Returns `None` if the format is that of this version, or if the tables do
    /// not exist.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn find_other_format(&self, connection: &mut Conn<B>) -> Result<Option<OtherFormat>> {
        let missing = self.missing(connection).await?;
        // A catalogue may hide a whole table from a user who has no right to it.
        if missing.iter().any(|one| one.table_is_visible) {
            let missing = missing.into_iter().map(|one| one.column).collect();
            let audit = self.names.plain("audit");
            return Ok(Some(OtherFormat::Older { audit, missing }));
        }
        let rows = self
            .fetch(connection, B::DIALECT.format_version, &[])
            .await?;
        let found = rows.first().map_or(Ok(None), |row| row.int(0))?;
        Ok(self.other_format(found))
    }

    /// Returns the statements that upgrade tables of an older format to this one; empty if there is
    /// nothing to do. Execute them in order, while nothing of an older version runs.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn upgrade(&self, connection: &mut Conn<B>) -> Result<String> {
        let missing = self.missing(connection).await?;
        Ok(missing
            .into_iter()
            .map(|one| one.statement + ";\n")
            .collect())
    }

    /// Returns the missing columns; nothing if there are no tables.
    async fn missing(&self, connection: &mut Conn<B>) -> Result<Vec<Missing>> {
        let schema = self.names().schema();
        let params = [("schema", schema.into())];
        let rows = self.fetch(connection, B::DIALECT.columns, &params).await?;
        let there: BTreeSet<(String, String)> = rows
            .into_iter()
            .map(|mut row| (row.text(0), row.text(1)))
            .collect();
        let has_table = |table: &str| {
            there
                .iter()
                .any(|(name, _)| *name == self.names.plain(table))
        };
        if !has_table("audit") || !has_table("lock") {
            return Ok(Vec::new());
        }
        let missing = B::DIALECT.upgrades.iter().filter(|upgrade| {
            let key = (self.names.plain(upgrade.table), upgrade.column.to_owned());
            !there.contains(&key)
        });
        let missing = missing.map(|upgrade| Missing {
            column: format!("{}.{}", self.names.plain(upgrade.table), upgrade.column),
            statement: self.render_as_text(upgrade.statement, &[]),
            table_is_visible: has_table(upgrade.table),
        });
        Ok(missing.collect())
    }
}
