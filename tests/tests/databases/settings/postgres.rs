//! The settings that PostgreSQL lists.

use flamingock_tests::TestDatabase;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool, Postgres};

use super::Backend;
use crate::settings::cases::{Setting, Way, columns, quoted};

pub(super) const WAYS: &[Way] = &[Way::Hook, Way::Url, Way::Database];
/// Settings under which a failed change may be recorded as one with remaining effects.
pub(super) const CAUTIOUS: &[&str] = &[];
/// The number of cases in a normal test run.
pub(super) const PLAIN: usize = 60;

/// Not `exit_on_error`, which ends a session that queries a missing table: it is refused, and the
/// server doesn't give a reason.
pub(super) const LIST: &str = "SELECT name, vartype, coalesce(min_val, ''), coalesce(max_val, ''), \
     coalesce(array_to_string(enumvals, ','), ''), coalesce(boot_val, '') FROM pg_settings \
     WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend') \
     AND name <> 'exit_on_error' ORDER BY name";

/// Values for a text setting without documented values: one of them is accepted, or none.
const TEXTS: &[&str] = &[
    "C",
    "UTC",
    "german",
    "pg_default",
    "LATIN1",
    "simple",
    "2",
    "x",
];

/// A setting of a line of the list.
pub(super) fn setting(line: &str) -> Setting {
    let [name, kind, least, most, values, default] = columns(line);
    let values = match kind.as_str() {
        "bool" => vec!["on".to_owned(), "off".to_owned()],
        "enum" => values.split(',').map(str::to_owned).collect(),
        "integer" | "real" => vec![default, least, most],
        _ => {
            let known = [default, String::new()].into_iter();
            known.chain(TEXTS.iter().map(ToString::to_string)).collect()
        }
    };
    Setting { name, values }
}

pub(super) fn read(name: &str) -> String {
    format!(
        "SELECT setting FROM pg_settings WHERE name = {}",
        quoted(name)
    )
}

pub(super) fn set(name: &str, value: &str) -> String {
    format!("SET {name} = {}", quoted(value))
}

/// A pool whose sessions get it in another way than by the hook.
pub(super) async fn pool_by(
    way: Way,
    database: &TestDatabase<Backend>,
    name: &str,
    value: &str,
) -> Result<PgPool, sqlx::Error> {
    let mut options: PgConnectOptions = database.url.parse()?;
    match way {
        Way::Url => options = options.options([(name, value)]),
        Way::Hook | Way::Database => {
            let own = options.get_database().unwrap().to_owned();
            let text = format!("ALTER DATABASE \"{own}\" SET {name} = {}", quoted(value));
            let pool = PgPool::connect_with(options.clone()).await?;
            pool.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text)))
                .await?;
            pool.close().await;
        }
    }
    let limit = std::time::Duration::from_secs(5);
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(limit);
    sqlx::pool::PoolOptions::<Postgres>::connect_with(pool, options).await
}
