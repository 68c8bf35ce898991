//! Listeners and target systems: the events of a run, and the systems that it waits for.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "listeners/late.rs"]
mod late;
#[path = "listeners/otel.rs"]
mod otel;
#[path = "listeners/tls.rs"]
mod tls;
#[path = "listeners/tls_server.rs"]
mod tls_server;
#[path = "listeners/unreliable.rs"]
mod unreliable;
#[path = "listeners/webhook.rs"]
mod webhook;

#[path = "../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod listeners;
    mod targets;
    mod targets_named;
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod listeners;
    mod targets;
    mod targets_named;
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod listeners;
    mod targets;
    mod targets_named;
}
