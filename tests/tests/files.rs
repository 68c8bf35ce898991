//! Changes as files.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "files/peers.rs"]
mod peers;

#[path = "../scenarios"]
mod sqlite {
    use crate::peers::sqlite as peers;
    use flamingock_tests::on::sqlite::*;
    mod files;
    mod long_files;
    mod peer_diesel;
    mod peer_documented;
    mod peer_folders;
    mod peer_formats;
    mod renamed;
    mod repeat;
    mod scripts;
    mod tool_files;
    mod unusual_files;
}

#[path = "../scenarios"]
mod postgres {
    use crate::peers::postgres as peers;
    use flamingock_tests::on::postgres::*;
    mod file_costs;
    mod files;
    mod long_files;
    mod peer_documented;
    mod peer_folders;
    mod peer_formats;
    mod renamed;
    mod repeat;
    mod scripts;
    mod single_message;
    mod tool_files;
    mod tool_routines;
    mod unusual_files;
}

#[path = "../scenarios"]
mod mariadb {
    use crate::peers::mariadb as peers;
    use flamingock_tests::on::mariadb::*;
    mod file_costs;
    mod files;
    mod long_files;
    mod peer_documented;
    mod peer_folders;
    mod peer_formats;
    mod renamed;
    mod repeat;
    mod scripts;
    mod single_message;
    mod tool_files;
    mod tool_routines;
    mod unusual_files;
}
