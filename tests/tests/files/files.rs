//! Changes as files.

mod peers;

#[path = "../../scenarios"]
mod sqlite {
    use crate::files::peers::sqlite as peers;
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

#[path = "../../scenarios"]
mod postgres {
    use crate::files::peers::postgres as peers;
    use flamingock_tests::on::postgres::*;
    const IS_SHARED: bool = false;
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

#[path = "../../scenarios"]
mod mariadb {
    use crate::files::peers::mariadb as peers;
    use flamingock_tests::on::mariadb::*;
    const IS_SHARED: bool = false;
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

#[path = "../../scenarios"]
mod postgres_shared {
    use flamingock_tests::on::postgres::*;
    const IS_SHARED: bool = true;
    mod single_message;
}

#[path = "../../scenarios"]
mod mariadb_shared {
    use flamingock_tests::on::mariadb::*;
    const IS_SHARED: bool = true;
    mod single_message;
}
