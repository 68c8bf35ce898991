//! The SQL of a [`Keyset`](super::keyset::Keyset) in which databases differ. Pure.

use crate::util::database_kind::DatabaseKind;

/// A query, and what it means if its answer is 1.
#[derive(Debug)]
pub struct Check {
    pub(super) query: String,
    pub(super) rule: &'static str,
}

const HAS_NULL: &str = "is NULL in a row, which no condition on the key would find: a keyset needs a key that is never NULL";

const UNSORTED: &str = "has a type that depends on the session, or is sorted in another way than it is compared (TIMESTAMP, ENUM, SET, a fraction): take another key for the keyset";

/// Returns the queries that find out whether rows would be skipped because of a column. `table` is
/// its name, with its schema before it. `name` quotes a name, and `literal` a text.
pub(super) fn checks(
    kind: DatabaseKind,
    table: &[&str],
    column: &str,
    name: &dyn Fn(&str) -> String,
    literal: &dyn Fn(&str) -> String,
) -> Vec<Check> {
    let quoted: Vec<String> = table.iter().map(|part| name(part)).collect();
    let quoted = quoted.join(".");
    let finds_null = format!(
        "EXISTS (SELECT 1 FROM {quoted} WHERE {} IS NULL)",
        name(column)
    );
    let has_null = |query: String| Check {
        query,
        rule: HAS_NULL,
    };
    match kind {
        DatabaseKind::Sqlite => vec![has_null(format!("SELECT {finds_null}"))],
        // Versions before 17 would read the whole table although the column is declared NOT NULL.
        DatabaseKind::Postgres => vec![has_null(format!(
            "SELECT CASE WHEN (SELECT attnotnull FROM pg_catalog.pg_attribute
    WHERE attrelid = pg_catalog.to_regclass({}) AND attname = {} AND attnum > 0) THEN 0
  WHEN {finds_null} THEN 1 ELSE 0 END",
            literal(&quoted),
            literal(column)
        ))],
        DatabaseKind::MySql => {
            let (schema, table) = match table {
                [schema, table] => (literal(schema), *table),
                _ => ("DATABASE()".to_owned(), table[table.len() - 1]),
            };
            vec![
                Check {
                    query: format!(
                        "SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} AND COLUMN_NAME = {}
    AND DATA_TYPE IN ('timestamp', 'enum', 'set', 'float', 'double', 'bit')) LIMIT 1",
                        literal(table),
                        literal(column)
                    ),
                    rule: UNSORTED,
                },
                // A session may limit the rows of a query to none.
                has_null(format!("SELECT {finds_null} LIMIT 1")),
            ]
        }
    }
}

/// Reads a column of a key as text, which the database converts back when it compares.
pub(super) fn column(kind: DatabaseKind, name: &str) -> String {
    match kind {
        DatabaseKind::Sqlite => format!(
            "CASE typeof({name}) WHEN 'integer' THEN 'n:' || {name} WHEN 'text' THEN 't:' || {name} END"
        ),
        // JSON has the same form of a time in each `DateStyle`.
        DatabaseKind::Postgres => format!("'t:' || (to_json({name}) #>> '{{}}')"),
        // Bytes of a binary column that are no text would be replaced without an error.
        DatabaseKind::MySql => format!(
            "CONCAT('t:', CASE WHEN COLLATION({name}) <> 'binary'
  OR HEX(CAST({name} AS BINARY)) = HEX(CONVERT({name} USING utf8mb4))
  THEN CONVERT({name} USING utf8mb4) END)"
        ),
    }
}

/// Compares column by column, or the whole key where the database uses an index for that.
pub(super) fn compare(
    kind: DatabaseKind,
    names: &[String],
    operator: &str,
    values: &[String],
) -> String {
    if operator == "=" {
        let equal = names.iter().zip(values);
        let equal = equal.map(|(name, value)| format!("{name} = {value}"));
        return format!("({})", equal.collect::<Vec<_>>().join(" AND "));
    }
    if kind != DatabaseKind::MySql || names.len() == 1 {
        let (names, values) = (names.join(", "), values.join(", "));
        return match names.contains(", ") {
            true => format!("({names}) {operator} ({values})"),
            false => format!("{names} {operator} {values}"),
        };
    }
    let strict = operator.trim_end_matches('=');
    let mut parts = Vec::new();
    for at in 0..names.len() {
        let is_last = at + 1 == names.len();
        let equal = names[..at].iter().zip(values);
        let mut all: Vec<String> = equal
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let operator = if is_last { operator } else { strict };
        all.push(format!("{} {operator} {}", names[at], values[at]));
        parts.push(all.join(" AND "));
    }
    format!("(({}))", parts.join(") OR ("))
}

/// Reports whether a statement failed because of the values in its rows, and not because of the
/// statement, the connection or another transaction.
pub(super) fn is_of_rows(kind: DatabaseKind, error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let code = error.code().unwrap_or_default();
    match kind {
        // The integrity and the values; what a function of the database raises.
        DatabaseKind::Postgres => ["22", "23", "P0"]
            .iter()
            .any(|class| code.starts_with(class)),
        DatabaseKind::MySql => {
            let general = ["HY000", "01000"].contains(&&*code) && is_of_rows_by_number(error);
            general
                || ["22", "23", "45"]
                    .iter()
                    .any(|class| code.starts_with(class))
        }
        // SQLITE_ERROR, with which functions such as those of JSON fail, TOOBIG, CONSTRAINT, MISMATCH.
        DatabaseKind::Sqlite => {
            let code = code.parse::<i32>().unwrap_or_default();
            matches!(code & 0xff, 1 | 18..=20)
        }
    }
}

/// Reports whether the error is one of a wrong statement, too.
pub(super) fn is_ambiguous(kind: DatabaseKind, error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let code = code.and_then(|code| code.parse::<i32>().ok());
    kind == DatabaseKind::Sqlite && code.is_some_and(|code| code & 0xff == 1)
}

/// Errors about values for which MySQL has no state of their own: a column without a default, a value
/// that does not fit or is cut, and a violated check.
#[cfg(feature = "mysql")]
fn is_of_rows_by_number(error: &dyn sqlx::error::DatabaseError) -> bool {
    let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    error.is_some_and(|error| matches!(error.number(), 1265 | 1364 | 1366 | 3819))
}

#[cfg(not(feature = "mysql"))]
fn is_of_rows_by_number(_: &dyn sqlx::error::DatabaseError) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_in_their_order() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let (names, values) = (texts(&["a", "b", "c"]), texts(&["1", "2", "3"]));
        for (kind, count, operator, expected) in [
            (DatabaseKind::Sqlite, 1, ">", "a > 1"),
            (DatabaseKind::MySql, 1, "<=", "a <= 1"),
            (DatabaseKind::Postgres, 2, ">", "(a, b) > (1, 2)"),
            (
                DatabaseKind::MySql,
                2,
                ">",
                "((a > 1) OR (a = 1 AND b > 2))",
            ),
            (
                DatabaseKind::MySql,
                3,
                "<=",
                "((a < 1) OR (a = 1 AND b < 2) OR (a = 1 AND b = 2 AND c <= 3))",
            ),
        ] {
            let text = compare(kind, &names[..count], operator, &values[..count]);
            assert_eq!(text, expected);
        }
    }
}
