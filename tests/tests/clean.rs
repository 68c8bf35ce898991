//! A clean session for each change, with the options of the tool that its text was written for.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "clean/indexes.rs"]
mod indexes;
#[path = "clean/limits.rs"]
mod limits;
#[path = "clean/memory.rs"]
mod memory;
#[path = "clean/options.rs"]
mod options;
#[path = "clean/pragmas.rs"]
mod pragmas;
#[path = "clean/rebuild.rs"]
mod rebuild;
#[path = "clean/statement_rollback.rs"]
mod statement_rollback;

#[path = "../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod clean_session;
    mod consecutive_files;
}

#[path = "../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod clean_session;
    mod consecutive_files;
    mod ended_sessions;
}

#[path = "../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod clean_session;
    mod consecutive_files;
    mod ended_sessions;
}
