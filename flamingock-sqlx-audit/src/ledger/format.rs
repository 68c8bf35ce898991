//! The format of the tables: which columns there are.
//!
//! The lock's rows have its number. Tables whose number is not this version's are refused before anything
//! is read or written by them.

use std::collections::BTreeSet;

use super::base::{Ledger, Result};
use crate::backend::{Backend, Conn};

/// The format that this version reads and writes.
pub(crate) const FORMAT_VERSION: i64 = 1;

/// How tables differ from what this version knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherFormat {
    /// An older version made them.
    #[error(
        "the tables beside {audit} have an older format than this version of Flamingock uses ({FORMAT_VERSION}): they lack {}",
        missing.join(", ")
    )]
    Older {
        /// The audit's table.
        audit: String,
        /// The columns that are missing, as `table.column`.
        missing: Vec<String>,
    },
    /// A newer version made or upgraded them.
    #[error(
        "the tables beside {audit} have the format {found}, and this version of Flamingock knows {FORMAT_VERSION}"
    )]
    Newer {
        /// The audit's table.
        audit: String,
        /// Their format.
        found: i64,
    },
}

impl<B: Backend> Ledger<B> {
    /// Returns how a format differs from this version's, if it does.
    pub fn other_format(&self, found: Option<i64>) -> Option<OtherFormat> {
        let audit = self.names.plain("audit");
        found
            .filter(|found| *found > FORMAT_VERSION)
            .map(|found| OtherFormat::Newer { audit, found })
    }

    /// Looks for the format in the catalogue: what to ask where a statement was refused, which may be for
    /// a column that is missing. None: the format is this version's, or the tables are not there.
    ///
    /// # Errors
    /// The database's own.
    pub async fn find_other_format(&self, connection: &mut Conn<B>) -> Result<Option<OtherFormat>> {
        let missing = self.missing(connection).await?;
        if !missing.is_empty() {
            let missing = missing.iter().map(|one| one.0.clone()).collect();
            let audit = self.names.plain("audit");
            return Ok(Some(OtherFormat::Older { audit, missing }));
        }
        let rows = self
            .fetch(connection, B::DIALECT.format_version, &[])
            .await?;
        let found = rows.first().map_or(Ok(None), |row| row.int(0))?;
        Ok(self.other_format(found))
    }

    /// Returns the statements that bring tables of an older format to this one, to be executed in their
    /// order while nothing of an older version runs; empty where there is nothing to do.
    ///
    /// # Errors
    /// The database's own.
    pub async fn upgrade(&self, connection: &mut Conn<B>) -> Result<String> {
        let missing = self.missing(connection).await?;
        Ok(missing
            .into_iter()
            .map(|(_, statement)| statement + ";\n")
            .collect())
    }

    /// The columns that are missing, with the statements that bring them; none where there are no tables.
    async fn missing(&self, connection: &mut Conn<B>) -> Result<Vec<(String, String)>> {
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
        let missing = missing.map(|upgrade| {
            let column = format!("{}.{}", self.names.plain(upgrade.table), upgrade.column);
            (column, self.render_as_text(upgrade.statement, &[]))
        });
        Ok(missing.collect())
    }
}
