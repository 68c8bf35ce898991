//! Servers behind a pool's address: products and clusters that no test covers, servers that accept
//! no writes, and writers that move to another server.

pub(crate) mod pair;
mod throttles;
mod untested;

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod failover;

    /// As stored in an entry.
    const APPLIED: &str = "E'APPLIED'";
    /// The entry of a shared change.
    const FIRST_WRITE: &str = "VALUES ('behind')";
    /// Ends a lease without waiting for it to expire.
    const SOON: &str = "clock_timestamp() + interval '8 s'";
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod failover;

    /// As stored in an entry.
    const APPLIED: &str = "X'4150504c494544'";
    /// The entry of a shared change.
    const FIRST_WRITE: &str = "SAVEPOINT fl_";
    /// Ends a lease without waiting for it to expire.
    const SOON: &str = "UTC_TIMESTAMP(6) + INTERVAL 8 SECOND";
}
