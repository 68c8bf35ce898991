//! The names under which a scenario that is mounted once per database knows its own.
//!
//! ```text
//! #[path = "../scenarios"]
//! mod sqlite {
//!     use flamingock_tests::on::sqlite::*;
//!     mod shared;
//! }
//! ```

macro_rules! names {
    ($module:ident, $name:literal, $database:ty, $connection:ty, $backend:ty) => {
        #[doc = $name]
        pub mod $module {
            /// The driver.
            pub type Db = $database;
            /// What a change takes by `&mut`.
            pub type Connection = $connection;
            /// Where a fresh one comes from.
            pub type Backend = $backend;
        }
    };
}

names!(
    sqlite,
    "SQLite.",
    sqlx::Sqlite,
    sqlx::SqliteConnection,
    crate::Sqlite
);
names!(
    postgres,
    "PostgreSQL.",
    sqlx::Postgres,
    sqlx::PgConnection,
    crate::Postgres
);
names!(
    mariadb,
    "MariaDB.",
    sqlx::MySql,
    sqlx::MySqlConnection,
    crate::MariaDb
);
