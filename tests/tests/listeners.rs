//! Listeners: what they hear, and that they change nothing.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "listeners/unreliable.rs"]
mod unreliable;

#[path = "../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod listeners;
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod listeners;
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod listeners;
}
