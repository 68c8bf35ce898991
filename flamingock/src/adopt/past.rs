//! An applied migration in another tool's history, and how names are matched with it.

use serde::Serialize;

use super::tool::Tool;
use super::version;

/// A migration that another tool has applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PastChange {
    /// The key by which the tool identifies the migration: a version or an id.
    pub id: String,
    /// The full name in the history; equal to the id if there is nothing more.
    pub name: String,
    /// When it was applied, as the history records it.
    pub applied_at: Option<String>,
    /// The description that identifies a repeatable file of Flyway.
    #[serde(skip)]
    pub(super) description: Option<String>,
}

/// How a change was matched with a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// By the whole name.
    Name,
    /// By the version; the rest of the name is not compared.
    Version,
    /// By the version, but with another name, which the tool itself would refuse.
    Divergent,
}

impl PastChange {
    pub(super) fn new(id: String, name: String, applied_at: Option<String>) -> PastChange {
        PastChange {
            id,
            name,
            applied_at,
            description: None,
        }
    }

    /// Returns how the name of a change matches this migration by the tool's own rules, if it does.
    pub(super) fn fits(&self, tool: Tool, name: &str) -> Option<Fit> {
        if name == self.name || self.has_name(tool, name) {
            return Some(Fit::Name);
        }
        let version = version::in_name(tool, name)?;
        let is_it = version::compare(tool, &version, &self.id)?.is_eq();
        is_it.then_some(if tool == Tool::Refinery {
            Fit::Divergent
        } else {
            Fit::Version
        })
    }

    fn has_name(&self, tool: Tool, name: &str) -> bool {
        let version = version::in_name(tool, name);
        let is_version = version.is_some_and(|version| {
            version::compare(tool, &version, &self.id).is_some_and(std::cmp::Ordering::is_eq)
        });
        match tool {
            // The file `0001_create_users.sql` has the version 1 and the description "create
            // users".
            Tool::Sqlx => {
                let described = self
                    .name
                    .strip_prefix(self.id.as_str())
                    .map(str::trim_start);
                let described = described.map(str::to_owned);
                is_version
                    && name.split_once('_').map(|(_, rest)| rest.replace('_', " ")) == described
            }
            // `V01__create_users` has the version 1 and the name "create_users".
            Tool::Refinery => {
                let described = self.name.split_once("__").map(|(_, rest)| rest);
                is_version && name.split_once("__").map(|(_, rest)| rest) == described
            }
            // Flyway identifies repeatable files by their description.
            Tool::Flyway => {
                let description = name.strip_prefix("R__").map(|rest| rest.replace('_', " "));
                description.is_some() && description == self.description
            }
            // The name includes the file of the change, but the id alone also identifies it.
            Tool::Liquibase | Tool::SeaOrm | Tool::FlamingockJava | Tool::Mongock => {
                name == self.id
            }
            // These tools identify migrations by the version; the rest is a description.
            Tool::Diesel | Tool::Goose | Tool::Dbmate | Tool::GolangMigrate | Tool::Atlas => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_fits_its_own_row_and_no_other() {
        let cases = [
            (
                Tool::Sqlx,
                "1",
                "1 create users",
                "0001_create_users",
                Some(Fit::Name),
            ),
            (
                Tool::Sqlx,
                "1",
                "1 create users",
                "1_create_users",
                Some(Fit::Name),
            ),
            (
                Tool::Sqlx,
                "1",
                "1 create users",
                "0001_create_orders",
                Some(Fit::Version),
            ),
            (Tool::Sqlx, "1", "1 create users", "0011_create_users", None),
            (Tool::Sqlx, "1", "1 create users", "create_users", None),
            (
                Tool::Sqlx,
                "20240131120000",
                "20240131120000 a",
                "20240131120000_a",
                Some(Fit::Name),
            ),
            (
                Tool::Refinery,
                "1",
                "V1__initial",
                "V1__initial",
                Some(Fit::Name),
            ),
            (
                Tool::Refinery,
                "1",
                "V1__initial",
                "V01__initial",
                Some(Fit::Name),
            ),
            (
                Tool::Refinery,
                "1",
                "V1__initial",
                "U1__initial",
                Some(Fit::Name),
            ),
            (
                Tool::Refinery,
                "1",
                "V1__initial",
                "V1__other",
                Some(Fit::Divergent),
            ),
            (Tool::SeaOrm, "m1_a", "m1_a", "m1_a", Some(Fit::Name)),
            (Tool::SeaOrm, "m1_a", "m1_a", "m1_b", None),
            (
                Tool::Diesel,
                "20240131120000",
                "20240131120000",
                "2024-01-31-120000_users",
                Some(Fit::Version),
            ),
            (
                Tool::Diesel,
                "20240131120000",
                "20240131120000",
                "20240131120000_users",
                Some(Fit::Version),
            ),
            (
                Tool::Diesel,
                "20240131120000",
                "20240131120000",
                "2024-01-31-120001_users",
                None,
            ),
            (Tool::Goose, "1", "1", "00001_users", Some(Fit::Version)),
            (Tool::Goose, "1", "1", "00002_users", None),
            (
                Tool::Flyway,
                "1.1",
                "V1.1__users",
                "V1.1__users",
                Some(Fit::Name),
            ),
            (
                Tool::Flyway,
                "1.1",
                "V1.1__users",
                "V1.1__orders",
                Some(Fit::Version),
            ),
            (
                Tool::Liquibase,
                "7",
                "changes.xml::7::ada",
                "7",
                Some(Fit::Name),
            ),
            (
                Tool::Liquibase,
                "7",
                "changes.xml::7::ada",
                "changes.xml::7::ada",
                Some(Fit::Name),
            ),
            (Tool::Liquibase, "7", "changes.xml::7::ada", "8", None),
        ];
        for (tool, id, name, change_id, expected) in cases {
            let past = PastChange::new(id.to_owned(), name.to_owned(), None);
            assert_eq!(
                past.fits(tool, change_id),
                expected,
                "{tool} {name} {change_id}"
            );
        }
    }
}
