//! Executing one change: applying, resolving, rolling back and undoing it.

pub(crate) mod apply;
pub(crate) mod apply_atomic;
mod apply_batches;
pub(crate) mod apply_steps;
mod batch_work;
mod batches;
pub(crate) mod execution;
pub(crate) mod executor;
pub(crate) mod outcome;
mod pace;
mod reported_progress;
pub(crate) mod resolve;
pub(crate) mod roll_back;
pub(crate) mod rollback_steps;
pub(crate) mod step_progress;
pub(crate) mod turns;
pub(crate) mod undo;
mod undo_batches;
