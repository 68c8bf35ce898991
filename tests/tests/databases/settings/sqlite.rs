//! The settings that SQLite lists.

use flamingock_tests::TestDatabase;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

use super::Backend;
use crate::settings::cases::{Setting, Way};

pub(super) const WAYS: &[Way] = &[Way::Hook, Way::Url];
/// Settings under which a failed change may be recorded as one with remaining effects.
pub(super) const CAUTIOUS: &[&str] = &[];
/// The number of cases in a normal test run.
pub(super) const PLAIN: usize = 60;

/// Not those that apply to the whole process and can't be reset, nor those that perform an action,
/// list something or only count.
pub(super) const LIST: &str = "SELECT name FROM pragma_pragma_list WHERE name NOT IN \
     ('hard_heap_limit', 'temp_store_directory', 'data_store_directory') \
     AND name NOT LIKE '%\\_check' ESCAPE '\\' AND name NOT LIKE '%\\_list' ESCAPE '\\' \
     AND name NOT LIKE '%\\_info' ESCAPE '\\' AND name NOT LIKE '%\\_xinfo' ESCAPE '\\' \
     AND name NOT IN ('compile_options', 'incremental_vacuum', 'optimize', 'shrink_memory', \
     'wal_checkpoint', 'freelist_count', 'page_count', 'schema_version', 'case_sensitive_like') \
     ORDER BY name";

/// SQLite doesn't list the values of a pragma: an invalid one has no effect.
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "2147483647",
    "delete",
    "truncate",
    "persist",
    "memory",
    "wal",
    "off",
    "exclusive",
    "'UTF-16le'",
    "512",
    "65536",
];

/// A setting of a line of the list.
pub(super) fn setting(line: &str) -> Setting {
    Setting {
        name: line.to_owned(),
        values: VALUES.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn read(name: &str) -> String {
    format!("PRAGMA {name}")
}

pub(super) fn set(name: &str, value: &str) -> String {
    format!("PRAGMA {name} = {value}")
}

/// The options of the connection are applied first.
pub(super) async fn pool_by(
    way: Way,
    database: &TestDatabase<Backend>,
    name: &str,
    value: &str,
) -> Result<SqlitePool, sqlx::Error> {
    assert_eq!(way, Way::Url);
    let options: SqliteConnectOptions = database.url.parse()?;
    SqlitePool::connect_with(options.pragma(name.to_owned(), value.to_owned())).await
}
