//! The arguments of the command `new`.

use std::path::PathBuf;

use clap::Args;

/// The new change.
#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// What the change does, as in "create orders": its id and its description
    pub(super) title: String,
    /// Create an SQL file and its rollback, and not Rust code
    #[arg(long)]
    pub(super) sql: bool,
    /// The stage [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    pub(super) stage: Option<String>,
    /// The target system [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    pub(super) target: Option<String>,
    /// The order [default: the next one: a number, or the time if the last one is a timestamp]
    #[arg(long, value_name = "ORDER")]
    pub(super) order: Option<String>,
    /// The folder of the change [default: src/changes; for SQL, the embedded folder, or changes]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// The committed manifest, which gets a line [default: changes.lock, if that is there]
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
}
