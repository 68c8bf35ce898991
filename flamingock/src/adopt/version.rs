//! Comparing versions in the way the other tools do.

use std::cmp::Ordering;

use super::tool::Tool;

/// A version of numbers: `1.9` comes before `1.10`, and `1.0` equals `1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Without leading zeros, and without zeros at the end of the list.
    numbers: Vec<String>,
}

impl Version {
    /// Parses numbers that are separated by dots or underscores. Returns `None` for other texts.
    pub(super) fn parse(text: &str) -> Option<Version> {
        let mut numbers = Vec::new();
        for number in text.split(['.', '_']) {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            numbers.push(number.trim_start_matches('0').to_owned());
        }
        while numbers.last().is_some_and(String::is_empty) {
            numbers.pop();
        }
        Some(Version { numbers })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let number = |version: &Version, index: usize| {
            version.numbers.get(index).cloned().unwrap_or_default()
        };
        (0..length)
            .map(|index| {
                let (one, another) = (number(self, index), number(other, index));
                one.len().cmp(&another.len()).then(one.cmp(&another))
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns the version that a tool reads from the name of a change. `None` if the tool has no
/// versions, or the name has none.
pub(super) fn in_name(tool: Tool, name: &str) -> Option<String> {
    match tool {
        Tool::Sqlx | Tool::Goose | Tool::GolangMigrate => {
            let (version, _) = name.split_once('_')?;
            Version::parse(version).map(|_| version.to_owned())
        }
        Tool::Refinery => {
            let (version, _) = name.strip_prefix(['V', 'U'])?.split_once("__")?;
            Version::parse(version).map(|_| version.to_owned())
        }
        Tool::Flyway => {
            let rest = name.strip_prefix(['V', 'B'])?;
            let version = rest.split_once("__").map_or(rest, |(version, _)| version);
            Version::parse(version).map(|_| version.to_owned())
        }
        Tool::Diesel => {
            let version = name.split_once('_').map_or(name, |(version, _)| version);
            Some(version.replace('-', ""))
        }
        Tool::Dbmate => {
            let rest = name.trim_start_matches(|c: char| c.is_ascii_digit());
            let version = &name[..name.len() - rest.len()];
            (!version.is_empty()).then(|| version.to_owned())
        }
        Tool::Atlas => {
            let version = name.split_once('_').map_or(name, |(version, _)| version);
            (!version.is_empty()).then(|| version.to_owned())
        }
        Tool::SeaOrm | Tool::Liquibase | Tool::FlamingockJava | Tool::Mongock => None,
    }
}

/// Compares two versions by the rules of a tool. `None` if they are not comparable.
pub(super) fn compare(tool: Tool, one: &str, other: &str) -> Option<Ordering> {
    match tool {
        Tool::Sqlx | Tool::Goose | Tool::Refinery | Tool::Flyway | Tool::GolangMigrate => {
            Some(Version::parse(one)?.cmp(&Version::parse(other)?))
        }
        Tool::Diesel | Tool::Dbmate | Tool::Atlas => Some(one.cmp(other)),
        Tool::SeaOrm | Tool::Liquibase | Tool::FlamingockJava | Tool::Mongock => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let ascending = [
            "0",
            "0.1",
            "1",
            "1.2",
            "1.9",
            "1.10",
            "2_0_1",
            "10",
            "20240131120000",
        ];
        for pair in ascending.windows(2) {
            let [one, other] = [pair[0], pair[1]].map(|text| Version::parse(text).unwrap());
            assert_eq!(one.cmp(&other), Ordering::Less, "{pair:?}");
        }
        for (one, other) in [("1", "1.0.0"), ("01", "1"), ("1_1", "1.1"), ("0", "0.0")] {
            assert_eq!(Version::parse(one), Version::parse(other), "{one} {other}");
        }
        for text in ["", "a", "1.", "1..2", "1a", "-1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn each_tool_reads_its_version_in_a_name() {
        for (tool, name, expected) in [
            (Tool::Sqlx, "0001_users", Some("0001")),
            (Tool::Sqlx, "users", None),
            (Tool::Flyway, "V1.2__users", Some("1.2")),
            (Tool::Flyway, "V1_2", Some("1_2")),
            (Tool::Flyway, "B5__all", Some("5")),
            (Tool::Flyway, "R__view", None),
            (Tool::Refinery, "U3__users", Some("3")),
            (
                Tool::Diesel,
                "2024-01-31-120000_users",
                Some("20240131120000"),
            ),
            (Tool::Diesel, "2024-01-31-120000", Some("20240131120000")),
            (Tool::GolangMigrate, "0001_users", Some("0001")),
            (Tool::Dbmate, "20240131-users", Some("20240131")),
            (Tool::Dbmate, "users", None),
            (Tool::Atlas, "20240131_users", Some("20240131")),
            (Tool::Atlas, "20240131", Some("20240131")),
            (Tool::Liquibase, "1", None),
        ] {
            assert_eq!(in_name(tool, name).as_deref(), expected, "{tool} {name}");
        }
    }
}
