//! Changes that run together: atomic stages, and stages side by side.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod atomic;
    mod atomic_files;
    mod atomic_message;
    mod parallel;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod atomic;
    mod atomic_files;
    mod atomic_message;
    mod atomic_trips;
    mod parallel;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod atomic;
    mod atomic_files;
    mod atomic_message;
    mod atomic_midway;
    mod atomic_trips;
    mod parallel;
}
