//! The end of transactions that did not complete, and how it is recorded.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod conflict_elsewhere;
    mod hints;
    mod transaction_ended_twice;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod cached_connection;
    mod conflict_elsewhere;
    mod hints;
    mod not_reached;
    mod transaction_ended_twice;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod cached_connection;
    mod conflict_elsewhere;
    mod not_reached;
    mod transaction_ended_twice;
}

mod endless;
mod ineffective;
mod lock_timeout;
