//! Every session setting that the servers list, set to its default, to both ends of its range or to
//! each of its values, and to the empty string, by a hook of the pool, by the URL, and by the
//! database's own settings: a full cycle (run, run again, fail, undo, run) is correct, or refused
//! with the setting's name.
//!
//! The normal test run tries a fixed share of them. `FLAMINGOCK_TEST_EXTRA=1` tries them all, and
//! `FLAMINGOCK_TEST_SETTING=sql_mode` those with this name.

mod cases;

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;

    #[path = "../tests/databases/settings/sqlite.rs"]
    mod listed;
    mod settings_cycle;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;

    #[path = "../tests/databases/settings/postgres.rs"]
    mod listed;
    mod settings_cycle;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;

    #[path = "../tests/databases/settings/mariadb.rs"]
    mod listed;
    mod settings_cycle;
}
