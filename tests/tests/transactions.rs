//! The end of transactions that did not complete, and how it is recorded.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod conflict_elsewhere;
    mod hints;
    mod transaction_ended_twice;
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod cached_connection;
    mod conflict_elsewhere;
    mod hints;
    mod not_reached;
    mod transaction_ended_twice;
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod cached_connection;
    mod conflict_elsewhere;
    mod not_reached;
    mod transaction_ended_twice;
}

#[path = "transactions/endless.rs"]
mod endless;
#[path = "transactions/ineffective.rs"]
mod ineffective;
#[path = "transactions/lock_timeout.rs"]
mod lock_timeout;
