//! Changes that work in batches, and changes in the background.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod background;
    mod batch_code;
    mod batches;
    mod control;
    mod keyset;
    mod progress;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod background;
    mod batch_code;
    mod batch_takeover;
    mod batches;
    mod control;
    mod keyset;
    mod late_owner;
    mod progress;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod background;
    mod batch_code;
    mod batch_takeover;
    mod batches;
    mod control;
    mod keyset;
    mod late_owner;
    mod progress;
}
