//! The names for the database of a scenario that is mounted once per database.
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
            /// The type that a change takes by `&mut`.
            pub type Connection = $connection;
            /// The source of a fresh database.
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
