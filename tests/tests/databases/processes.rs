//! Applications as processes: many that start together, and some that are killed.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    const DRIVER: &str = env!("CARGO_BIN_EXE_driver-sqlite");
    mod concurrent_processes;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    const DRIVER: &str = env!("CARGO_BIN_EXE_driver-postgres");
    mod concurrent_processes;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    const DRIVER: &str = env!("CARGO_BIN_EXE_driver-mariadb");
    mod concurrent_processes;
}
