//! The code of the pages. Each block of Rust, SQL, TOML or YAML in a page is a part of a file in
//! this folder or in `examples/`, or is marked as an illustration: a test of `house` compares them.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "some code is only compiled")]

mod adopting;
mod arguments;
mod audit_export;
mod axum_postgres;
mod backfill;
mod background;
mod changes;
mod databases;
mod deploy;
mod failure;
mod listeners;
mod lock;
mod operate;
mod program;
mod recovery;
mod retired;
mod roles;
mod secrets;
mod services;
mod stages;
mod stores;
mod targets;
mod templates;
mod testing;
mod transactions;
mod zero_downtime;
