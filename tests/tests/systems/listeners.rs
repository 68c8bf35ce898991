//! Listeners and target systems: the events of a run, and the systems that it waits for.

mod late;
mod otel;
mod tls;
mod unreliable;
mod webhook;

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod listeners;
    mod targets;
    mod targets_named;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod listeners;
    mod targets;
    mod targets_named;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod listeners;
    mod targets;
    mod targets_named;
}
