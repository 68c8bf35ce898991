//! What people do beside running, on every database.

#![allow(clippy::duplicate_mod, clippy::unwrap_used)]

#[path = "../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod attacked;
    mod central;
    mod checked;
    mod format;
    mod operate;
    mod undo_range;
    mod unmet;
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod attacked;
    mod central;
    mod checked;
    mod format;
    mod operate;
    mod undo_range;
    mod unmet;
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod attacked;
    mod central;
    mod checked;
    mod format;
    mod operate;
    mod undo_range;
    mod unmet;
}
