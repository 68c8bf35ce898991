//! The command line of an application: `my-app apply`, `my-app status`, `my-app issue list`.
//!
#![cfg_attr(
    not(doctest),
    doc = include_str!("../../docs/links-in-rustdoc.txt"),
    doc = include_str!("../../docs/operations.md")
)]

mod adopt;
mod answer;
mod apply;
mod arguments;
mod attempt;
mod baseline;
mod batch;
mod branch;
mod by;
mod check;
mod command;
mod doctor;
mod entries;
mod entry;
mod exit;
mod export;
mod failure;
mod format;
mod guidance;
mod history;
mod issue;
mod lock;
mod log;
mod manifest;
mod masked;
mod new;
mod panics;
mod pending_sql;
mod plan;
mod program;
mod progress;
mod reason;
mod report;
mod services;
mod signal;
mod source;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod standalone;
mod standing;
mod status;
mod table;
mod terminal;
mod text;
mod time;
mod tool;
mod verify;
mod view;

pub use crate::cli::command::Command;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use crate::cli::standalone::standalone;
pub use crate::cli::tool::run;
