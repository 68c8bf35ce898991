//! Worst moments within one process: databases in unusual moods, applications that work meanwhile.
//! Those that need processes and cut networks are in `faults`.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "worst/activity.rs"]
mod activity;

#[path = "worst"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    use flamingock_tests::query;
    use sqlx::pool::PoolOptions;

    mod isolation;

    const LEVELS: [&str; 2] = ["repeatable read", "serializable"];

    /// Every transaction of the pool has this level, ours too.
    fn isolated(options: PoolOptions<Db>, level: &'static str) -> PoolOptions<Db> {
        options.after_connect(move |connection, _| {
            let text = format!("SET default_transaction_isolation = '{level}'");
            Box::pin(async move { query(connection, &text).await.map(drop) })
        })
    }
}

#[path = "worst"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    use flamingock_tests::query;
    use sqlx::pool::PoolOptions;

    mod isolation;

    const LEVELS: [&str; 3] = ["read uncommitted", "read committed", "serializable"];

    /// Every transaction of the pool has this level, ours too.
    fn isolated(options: PoolOptions<Db>, level: &'static str) -> PoolOptions<Db> {
        options.after_connect(move |connection, _| {
            let text = format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}");
            Box::pin(async move { query(connection, &text).await.map(drop) })
        })
    }
}
