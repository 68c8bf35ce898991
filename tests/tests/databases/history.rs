//! The history of a service is read completely, or the run is refused with the reason: services
//! that get a name, session settings, tables in other places, markers of other runs.

#[path = "history/mariadb.rs"]
mod only_mariadb;
#[path = "history/postgres.rs"]
mod only_postgres;
#[path = "history/sqlite.rs"]
mod only_sqlite;

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;

    /// Settings that would falsify entries, with the name that the error gives.
    const REFUSED: &[(&str, &str)] = &[
        ("PRAGMA query_only = 1", "query_only"),
        ("PRAGMA journal_mode = OFF", "journal_mode"),
        ("PRAGMA locking_mode = EXCLUSIVE", "locking_mode"),
    ];
    /// Settings under which everything works.
    const HARMLESS: &[&str] = &[
        "PRAGMA reverse_unordered_selects = 1",
        "PRAGMA case_sensitive_like = 1",
        "PRAGMA count_changes = 1",
        "PRAGMA full_column_names = 1; PRAGMA short_column_names = 0",
        "CREATE TEMP TABLE flamingock_audit (trap INT)",
        "CREATE TEMP TABLE flamingock_lock (trap INT)",
    ];

    mod markers;
    mod named_later;
    mod placeholders;
    pub(crate) mod places;
    mod sessions;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;

    const REFUSED: &[(&str, &str)] = &[
        (
            "SET default_transaction_read_only = on",
            "default_transaction_read_only",
        ),
        ("SET client_encoding = 'LATIN1'", "client_encoding"),
    ];
    const HARMLESS: &[&str] = &[
        "SET standard_conforming_strings = off; SET backslash_quote = off",
        "SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Kathmandu'; SET IntervalStyle = 'iso_8601'",
        "SET default_transaction_isolation = 'serializable'; SET default_transaction_deferrable = on",
        "SET xmloption = document; SET xmlbinary = hex; SET quote_all_identifiers = on",
        "SET row_security = off",
    ];

    mod markers;
    mod named_later;
    mod placeholders;
    pub(crate) mod places;
    mod sessions;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;

    const REFUSED: &[(&str, &str)] = &[
        ("SET autocommit = 0", "autocommit"),
        ("SET timestamp = 1", "timestamp"),
        ("SET insert_id = 900", "insert_id"),
        ("SET SESSION TRANSACTION READ ONLY", "tx_read_only"),
        (
            "SET character_set_results = 'utf16'",
            "character_set_results",
        ),
        (
            "SET sql_mode = ''; SET enforce_storage_engine = 'MyISAM'",
            "enforce_storage_engine",
        ),
    ];
    const HARMLESS: &[&str] = &[
        "SET sql_select_limit = 1",
        "SET sql_select_limit = 0",
        "SET sql_mode = 'EMPTY_STRING_IS_NULL'",
        "SET sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL'",
        "SET sql_mode = 'ANSI,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SET sql_safe_updates = 1",
        "SET character_set_results = NULL",
    ];

    mod markers;
    mod named_later;
    mod placeholders;
    pub(crate) mod places;
    mod sessions;
}
