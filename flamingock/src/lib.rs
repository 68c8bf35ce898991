//! Work in progress.

mod argument;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
mod attempt;
pub mod audit;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
mod call;
mod chain;
mod change;
mod context;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
mod database;
mod decision;
mod digest;
mod engine;
mod error;
mod execute;
mod lock;
mod manifest;
mod memory;
mod operate;
mod order;
mod pipeline;
mod plan;
mod preflight;
mod registry;
mod report;
mod runner;
#[cfg(feature = "_sqlx")]
mod sql;
mod storage;
#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
mod tables;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod undo;

pub use change::BoxError;
pub use context::Context;
pub use decision::Cause;
pub use error::Error;
pub use flamingock_macros::{change, rollback, verify};
pub use lock::{Holder, LockOptions, OnLockTimeout};
pub use memory::MemoryStore;
pub use operate::{Issue, Resolution, Resolved};
pub use pipeline::{Problem, Stage};
pub use plan::Note;
pub use report::{ChangeReport, Counts, MissingChange, Outcome, Report, StageReport};
pub use runner::{Mode, Policy, Rule, Run, Runner};
#[cfg(feature = "_sqlx")]
pub use sqlx;
pub use tables::Tables;
pub use target::TargetSystem;
pub use undo::UndoTarget;

/// Runs what is pending in the database of this pool: `Runner::new(pool).run()`.
///
/// # Errors
/// See [`Error`].
pub fn run(storage: impl storage::IntoStorage) -> Run {
    Runner::new(storage).run()
}

/// What the macros' code refers to. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::argument::{
        Argument, DatabaseKind, Inputs, Need, NeedKind, Outlives, Session, Values,
        connection_is_first, connections, ensure,
    };
    pub use crate::change::{
        Answer, Body, BoxFuture, Call, Change, ChangeOutput, Definition, HasRollback, HasVerify,
        Link, Location, REFUSED, Recovery, Unlinked, VerifyOutput, default_author, erase_change,
        erase_verify,
    };
    pub use crate::registry::{FLAMINGOCK_CHANGES_0_1, FLAMINGOCK_INCLUDES_0_1, Include};
    pub use linkme;
}
