//! The programs that write them.

use std::process::Stdio;

use flamingock::Runner;
use flamingock_tests::{Backend, TestDatabase};
use sqlx::Pool;
use tokio::process::Command;

/// What a program writes.
pub(super) async fn output(program: &str, arguments: &[&str]) -> String {
    let command = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = command
        .await
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Applies a dump, as a change or as one without transaction.
pub(super) async fn applied<B: Backend>(dump: &str, head: &str) -> (TestDatabase<B>, Pool<B::Db>)
where
    for<'a> Runner: FromPool<'a, B::Db>,
{
    let database = B::fresh().await;
    let pool = database.pool(2).await;
    let text = format!("{head}{dump}");
    let folder = flamingock_tests::folder(&[("0001__dump.sql", &text)]);
    let report = <Runner as FromPool<'_, B::Db>>::from_pool(&pool)
        .files(folder)
        .run()
        .await
        .unwrap_or_else(|error| panic!("{error:?}\n{}", numbered(dump)));
    assert_eq!(report.counts().newly_applied, 1);
    (database, pool)
}

fn numbered(text: &str) -> String {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(number, line)| format!("{:4} {line}\n", number + 1));
    lines.collect()
}

/// A runner on a pool of this driver.
pub(super) trait FromPool<'a, D: sqlx::Database> {
    fn from_pool(pool: &'a Pool<D>) -> Runner;
}

macro_rules! from_pool {
    ($($driver:ty),+) => {$(
        impl FromPool<'_, $driver> for Runner {
            fn from_pool(pool: &Pool<$driver>) -> Runner {
                Runner::new(pool)
            }
        }
    )+};
}

from_pool!(sqlx::Sqlite, sqlx::Postgres, sqlx::MySql);

/// The lines that say something of the database, and not of the dump.
pub(super) fn lines(dump: &str, is_said: impl Fn(&str) -> bool) -> Vec<&str> {
    dump.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("--") && is_said(line))
        .collect()
}
