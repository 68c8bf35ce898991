//! What runs behind a pool's address: products and clusters that no test proves, servers that take no
//! writes, and writers that move to another server.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

mod engines {
    pub(crate) mod pair;
    mod untested;
}

#[allow(dead_code)] // Other tests need more of it.
#[path = "faults/holding_proxy.rs"]
mod holding_proxy;

/// What the valve needs.
mod start {
    pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod failover;

    /// As an entry has it.
    const APPLIED: &str = "E'APPLIED'";
    /// Of a shared change.
    const FIRST_WRITE: &str = "VALUES ('behind')";
    /// When a lease ends that nobody renews.
    const SOON: &str = "clock_timestamp() + interval '8 s'";
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod failover;

    /// As an entry has it.
    const APPLIED: &str = "X'4150504c494544'";
    /// Of a shared change.
    const FIRST_WRITE: &str = "SAVEPOINT fl_";
    /// When a lease ends that nobody renews.
    const SOON: &str = "UTC_TIMESTAMP(6) + INTERVAL 8 SECOND";
}
