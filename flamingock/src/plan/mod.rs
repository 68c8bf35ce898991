//! The plan: what a run would do with each change, and why. Pure: no clock, no store, no async.

#[cfg(feature = "cli")]
pub(crate) mod branch;
pub(crate) mod decision;
pub(crate) mod manifest;
pub(crate) mod note;
pub(crate) mod phases;
pub(crate) mod pipeline;
pub(crate) mod policy;
pub(crate) mod preflight;
pub(crate) mod renamed;
mod required;
pub(crate) mod stage;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod undo;
