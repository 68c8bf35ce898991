//! One run at a time: waiting, keeping the lease, losing it, releasing the lock.

mod faulty;
mod first_renewal;
mod one_connection;
mod sqlite_files;
mod stores;

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod cancel;
    mod cancel_failed;
    mod clean_connection;
    mod lock;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod cancel;
    mod cancel_failed;
    mod clean_connection;
    mod lock;
    mod takeover;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod cancel;
    mod cancel_failed;
    mod clean_connection;
    mod lock;
    mod takeover;
}
