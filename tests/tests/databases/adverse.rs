//! Adverse conditions within one process: unusual settings of databases and sessions, and
//! applications that work at the same time. Those that need processes and cut networks are in
//! `faults`.

mod encodings;

mod session_settings;

mod wal;

mod activity;

#[path = "adverse"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    use flamingock_tests::with_hook;
    use sqlx::pool::PoolOptions;

    mod conflicts;
    mod isolation;

    /// The server's message about a conflict.
    const CONFLICT: &str = "could not serialize access";
    /// The number of sessions that wait for a lock.
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    /// The session that checks for a deadlock first is ended.
    const PATIENT: &str = "SET deadlock_timeout = '60s'; ";

    fn strict(options: PoolOptions<Db>) -> PoolOptions<Db> {
        isolated(options, "serializable")
    }

    const LEVELS: [&str; 2] = ["repeatable read", "serializable"];

    /// Sets the level for every transaction of the pool, including those of Flamingock.
    fn isolated(options: PoolOptions<Db>, level: &'static str) -> PoolOptions<Db> {
        let text = format!("SET default_transaction_isolation = '{level}'");
        with_hook(options, &text)
    }
}

#[path = "adverse"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    use flamingock_tests::with_hook;
    use sqlx::pool::PoolOptions;

    mod conflicts;
    mod isolation;

    /// The server's message about a conflict.
    const CONFLICT: &str = "Record has changed since last read";
    /// The number of sessions that wait for a lock.
    const WAITING: &str = "SELECT count(*) FROM information_schema.PROCESSLIST
        WHERE STATE = 'Updating' AND INFO LIKE '%counter%id = 2%' AND DB = DATABASE()";
    const PATIENT: &str = "";

    fn strict(options: PoolOptions<Db>) -> PoolOptions<Db> {
        with_hook(options, "SET SESSION innodb_snapshot_isolation = ON")
    }

    const LEVELS: [&str; 3] = ["read uncommitted", "read committed", "serializable"];

    /// Sets the level for every transaction of the pool, including those of Flamingock.
    fn isolated(options: PoolOptions<Db>, level: &'static str) -> PoolOptions<Db> {
        let text = format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}");
        with_hook(options, &text)
    }
}
