//! Changes as files.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod files;
    mod repeat;
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod files;
    mod repeat;
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod files;
    mod repeat;
}
