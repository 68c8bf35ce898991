//! Outcomes of changes, and how they are recorded.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod agreement;
    mod deferred;
    mod ended_transaction;
    mod non_transactional;
    mod shared;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod agreement;
    mod deferred;
    mod ended_transaction;
    mod non_transactional;
    mod shared;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod agreement;
    mod ended_transaction;
    mod non_transactional;
    mod shared;
}
