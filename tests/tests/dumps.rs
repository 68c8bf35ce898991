//! What the databases' own programs write of a database is a change as it is: applied to an empty one, it makes
//! the same database.

#![allow(clippy::unwrap_used)]

mod dumps {
    mod mariadb;
    mod postgres;
    mod programs;
    mod sqlite;
}
