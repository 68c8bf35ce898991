//! The public builder and its operations: run, plan, undo, verify, history, issues, adoption, and
//! the lock.

pub(crate) mod adopt;
pub(crate) mod adopt_service;
pub(crate) mod baseline;
pub(crate) mod builder;
pub(crate) mod control;
#[cfg(feature = "_sqlx")]
pub(crate) mod default_target;
#[cfg(feature = "axum")]
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod lanes;
pub(crate) mod operate;
pub(crate) mod release_lock;
pub(crate) mod run;
pub(crate) mod services;
pub(crate) mod spawn;
#[cfg(feature = "testing")]
pub mod testing;
pub(crate) mod verify;
