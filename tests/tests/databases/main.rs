//! Changes in Rust on every database, a module for each subject.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

mod adverse;
mod apply;
mod batches;
mod clean;
mod history;
mod late;
mod lock;
mod mariadb;
mod operate;
mod outcomes;
mod postgres;
mod processes;
mod readers;
mod settings;
mod sqlite;
mod time;
mod together;
mod transactions;
