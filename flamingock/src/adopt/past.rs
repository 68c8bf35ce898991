//! A change in another tool's history, and which change here is the same by its name.

use serde::Serialize;

use super::tool::Tool;

/// A change that another tool has applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PastChange {
    /// What the tool tells its changes apart by: a version, or an id.
    pub id: String,
    /// The same with all that the history says of its name; equal to the id where that is all.
    pub name: String,
    /// When it was applied, as the history has it.
    pub applied_at: Option<String>,
}

impl PastChange {
    /// Whether a change here has the name that a file or an id of that tool gives it.
    pub(super) fn fits(&self, tool: Tool, change_id: &str) -> bool {
        if change_id == self.name {
            return true;
        }
        match tool {
            // The file `0001_create_users.sql` is version 1 with the description "create users".
            Tool::Sqlx => numbered(change_id, &self.id, "_").is_some_and(|rest| {
                self.name
                    .strip_prefix(self.id.as_str())
                    .is_some_and(|name| name.trim_start() == rest.replace('_', " "))
            }),
            // `V01__create_users` is version 1 with the name "create_users".
            Tool::Refinery => change_id
                .strip_prefix(['V', 'U'])
                .and_then(|rest| numbered(rest, &self.id, "__"))
                .is_some_and(|rest| {
                    self.name.strip_prefix(&format!("V{}__", self.id)) == Some(rest)
                }),
            // The folder `2024-01-31-120000_create_users` is version 20240131120000.
            Tool::Diesel => change_id
                .split_once('_')
                .is_some_and(|(version, _)| version.replace('-', "") == self.id),
            // `00001_create_users` is version 1; the history has no names.
            Tool::Goose => numbered(change_id, &self.id, "_").is_some(),
            // What an id is in a file is not told by the id alone; both of them name the change.
            Tool::Liquibase | Tool::SeaOrm | Tool::FlamingockJava | Tool::Mongock => {
                change_id == self.id
            }
            // The name is the script's, which `fits` has compared already.
            Tool::Flyway => false,
        }
    }
}

/// What follows a number and a separator, if the number is that one.
fn numbered<'a>(text: &'a str, number: &str, separator: &str) -> Option<&'a str> {
    let (digits, rest) = text.split_once(separator)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let bare = |digits: &str| match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        bare => bare.to_owned(),
    };
    (is_number && bare(digits) == bare(number)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_fits_its_own_row_and_no_other() {
        let cases = [
            (Tool::Sqlx, "1", "1 create users", "0001_create_users", true),
            (Tool::Sqlx, "1", "1 create users", "1_create_users", true),
            (
                Tool::Sqlx,
                "1",
                "1 create users",
                "0001_create_orders",
                false,
            ),
            (
                Tool::Sqlx,
                "1",
                "1 create users",
                "0011_create_users",
                false,
            ),
            (Tool::Sqlx, "1", "1 create users", "create_users", false),
            (
                Tool::Sqlx,
                "20240131120000",
                "20240131120000 a",
                "20240131120000_a",
                true,
            ),
            (Tool::Refinery, "1", "V1__initial", "V1__initial", true),
            (Tool::Refinery, "1", "V1__initial", "V01__initial", true),
            (Tool::Refinery, "1", "V1__initial", "U1__initial", true),
            (Tool::Refinery, "1", "V1__initial", "V1__other", false),
            (Tool::SeaOrm, "m1_a", "m1_a", "m1_a", true),
            (Tool::SeaOrm, "m1_a", "m1_a", "m1_b", false),
            (
                Tool::Diesel,
                "20240131120000",
                "20240131120000",
                "2024-01-31-120000_users",
                true,
            ),
            (
                Tool::Diesel,
                "20240131120000",
                "20240131120000",
                "20240131120000_users",
                true,
            ),
            (
                Tool::Diesel,
                "20240131120000",
                "20240131120000",
                "2024-01-31-120001_users",
                false,
            ),
            (Tool::Goose, "1", "1", "00001_users", true),
            (Tool::Goose, "1", "1", "00002_users", false),
            (Tool::Flyway, "1.1", "V1.1__users", "V1.1__users", true),
            (Tool::Flyway, "1.1", "V1.1__users", "V1.1__orders", false),
            (Tool::Liquibase, "7", "changes.xml::7::ada", "7", true),
            (
                Tool::Liquibase,
                "7",
                "changes.xml::7::ada",
                "changes.xml::7::ada",
                true,
            ),
            (Tool::Liquibase, "7", "changes.xml::7::ada", "8", false),
        ];
        for (tool, id, name, change_id, expected) in cases {
            let past = PastChange {
                id: id.to_owned(),
                name: name.to_owned(),
                applied_at: None,
            };
            assert_eq!(
                past.fits(tool, change_id),
                expected,
                "{tool} {name} {change_id}"
            );
        }
    }
}
