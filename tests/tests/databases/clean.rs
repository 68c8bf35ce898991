//! A clean session for each change, with the options of the tool that its text was written for.

mod indexes;
mod limits;
mod memory;
mod options;
mod pragmas;
mod rebuild;
mod statement_rollback;

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod clean_session;
    mod consecutive_files;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod clean_session;
    mod consecutive_files;
    mod ended_sessions;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod clean_session;
    mod consecutive_files;
    mod ended_sessions;
}
