//! A dump by the database's own program is a change as it is: applied to an empty database, it
//! recreates the same database.

mod mariadb;
mod postgres;
mod programs;
mod sqlite;
