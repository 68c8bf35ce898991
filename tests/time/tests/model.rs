//! A model of the lock, the lease and fencing.

#![allow(clippy::unwrap_used)]

#[path = "model/mod.rs"]
mod model;
