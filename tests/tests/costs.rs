//! Counts that must not grow: runs with nothing to do, waiters, and the query plan of the one
//! statement. SQLite has its own process, `costs_sqlite`.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

/// Copies each row of the audit as often as there are numbers.
fn copy_rows(numbers: &str) -> String {
    let columns = "service, run_id, attempt, stage, change_id, change_order, author, description, \
        target, state, transaction_mode, recovery, origin, digest, fencing_token, \
        idempotency_key, started_at, host, pid, location";
    format!(
        "INSERT INTO flamingock_audit ({columns}) SELECT {columns} FROM flamingock_audit, {numbers}"
    )
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    use flamingock_tests::strings;
    use sqlx::PgPool;

    mod costs;
    mod waiters;

    /// A run whose digest differs asks for the lock first, and then for the latest entries.
    const STATEMENTS_IF_DIFFERENT: usize = 2;

    /// How the server reads the latest entries.
    async fn plan(pool: &PgPool, sent: &str) -> String {
        let text = &sent[sent.find("WITH RECURSIVE").unwrap()..];
        strings(pool, &format!("EXPLAIN {text}")).await.join("\n")
    }

    /// More rows of each change, and updated statistics.
    fn grow(copies: usize) -> String {
        let rows = super::copy_rows(&format!("generate_series(1, {copies})"));
        format!("{rows}; ANALYZE flamingock_audit")
    }

    fn assert_index(plan: &str, _rows_of_each: usize) {
        assert!(plan.contains("flamingock_audit_index"), "{plan}");
        assert!(!plan.contains("Seq Scan on flamingock_audit"), "{plan}");
    }

    async fn assert_reads_what_is_new(pool: &PgPool, poll: &str) {
        let plan = strings(pool, &format!("EXPLAIN {poll}")).await.join("\n");
        assert!(plan.contains("flamingock_audit_pkey on"), "{plan}");
        assert!(!plan.contains("flamingock_audit_index"), "{plan}");
        assert!(!plan.contains("Seq Scan on flamingock_audit"), "{plan}");
    }
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    use flamingock_tests::strings;
    use sqlx::MySqlPool;

    mod costs;
    mod waiters;

    const STATEMENTS_IF_DIFFERENT: usize = 1;

    /// How the server reads the latest entries.
    async fn plan(pool: &MySqlPool, sent: &str) -> String {
        let text = &sent[sent.find("SELECT CAST(DATABASE()").unwrap()..];
        strings(pool, &format!("EXPLAIN {text}")).await.join("\n")
    }

    /// More rows of each change, and updated statistics.
    fn grow(copies: usize) -> String {
        let rows = super::copy_rows(&format!("seq_1_to_{copies}"));
        format!("{rows}; ANALYZE TABLE flamingock_audit")
    }

    fn assert_index(plan: &str, rows_of_each: usize) {
        assert!(plan.contains("flamingock_audit_index"), "{plan}");
        // With few rows per change, the server scans the whole index.
        let skips = plan.contains("Using index for group-by");
        assert!(skips || rows_of_each < 100, "{plan}");
    }

    async fn assert_reads_what_is_new(pool: &MySqlPool, poll: &str) {
        let plan = strings(pool, &format!("EXPLAIN {poll}")).await.join("\n");
        assert!(plan.contains("Select tables optimized away"), "{plan}");
        let counted = plan.lines().find(|line| line.contains("|a|range|"));
        assert!(counted.unwrap().contains("|PRIMARY|8|"), "{plan}");
    }
}
