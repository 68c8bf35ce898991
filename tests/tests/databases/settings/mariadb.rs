//! The settings that MariaDB lists.

use flamingock_tests::TestDatabase;
use sqlx::MySqlPool;

use super::Backend;
use crate::settings::cases::{Setting, Way, columns, quoted};

pub(super) const WAYS: &[Way] = &[Way::Hook];
/// Settings under which a failed change may be recorded as one with remaining effects.
pub(super) const CAUTIOUS: &[&str] = &["max_error_count"];
/// The number of cases in a normal test run.
pub(super) const PLAIN: usize = 60;

pub(super) const LIST: &str = "SELECT lower(variable_name), variable_type, \
     coalesce(numeric_min_value, ''), coalesce(numeric_max_value, ''), \
     replace(coalesce(enum_value_list, ''), '|', ' '), replace(coalesce(default_value, ''), '|', ' ') \
     FROM information_schema.system_variables \
     WHERE variable_scope IN ('SESSION', 'SESSION ONLY') AND read_only = 'NO' ORDER BY 1";

/// Values for a text setting without documented values: one of them is accepted, or none.
const TEXTS: &[&str] = &[
    "latin1",
    "latin1_german1_ci",
    "utf16",
    "MyISAM",
    "de_DE",
    "+03:00",
    "0-1-1",
    "Aria",
    "x",
];

/// A setting of a line of the list.
pub(super) fn setting(line: &str) -> Setting {
    let [name, kind, least, most, values, default] = columns(line);
    let each = || values.split(',').map(quoted);
    let values = match kind.as_str() {
        "BOOLEAN" => vec!["1".to_owned(), "0".to_owned()],
        "ENUM" if !values.is_empty() => each().collect(),
        "SET" => each().chain([quoted(&default), "''".to_owned()]).collect(),
        "FLAGSET" => {
            let flags = values.split(',').filter(|flag| *flag != "default");
            flags
                .flat_map(|flag| ["on", "off"].map(|side| quoted(&format!("{flag}={side}"))))
                .collect()
        }
        _ if !least.is_empty() => vec!["DEFAULT".to_owned(), least, most],
        _ => {
            let known = ["DEFAULT".to_owned(), "''".to_owned(), "NULL".to_owned()].into_iter();
            let numbers = ["1".to_owned(), "0".to_owned()];
            known
                .chain(TEXTS.iter().map(|text| quoted(text)))
                .chain(numbers)
                .collect()
        }
    };
    Setting { name, values }
}

pub(super) fn read(name: &str) -> String {
    format!("SELECT CAST(@@SESSION.{name} AS CHAR)")
}

pub(super) fn set(name: &str, value: &str) -> String {
    format!("SET SESSION {name} = {value}")
}

/// There is no other way that affects only the test.
pub(super) async fn pool_by(
    way: Way,
    _: &TestDatabase<Backend>,
    _: &str,
    _: &str,
) -> Result<MySqlPool, sqlx::Error> {
    panic!("{way:?}")
}
