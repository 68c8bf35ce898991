//! MariaDB and MySQL only: DDL commits, and a deadlock ends a transaction that continues.

mod ddl;
mod files;
mod locks;
mod server;
mod shared_files;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flamingock::report::Note;
use flamingock::{Outcome, Runner, Stage, change, changes, rollback};
use flamingock_tests::{
    Backend as _, Gate, MariaDb, TestDatabase, audit, count, done, execute, folder, query, script,
    strings, until, with_table,
};
use sqlx::{Connection as _, MySqlConnection, MySqlPool};

/// Every entry, including fencing checks.
async fn entries(pool: &MySqlPool) -> Vec<String> {
    strings(
        pool,
        "SELECT state, transaction_mode FROM flamingock_audit ORDER BY seq",
    )
    .await
}

async fn fresh() -> (TestDatabase<MariaDb>, MySqlPool) {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 1).await;
    (database, pool)
}

/// The only connection of the pool is as the application expects it.
async fn assert_as_new(pool: &MySqlPool) {
    let state = strings(pool, "SELECT @@autocommit, @@in_transaction").await;
    assert_eq!(state, ["1|0"]);
}
