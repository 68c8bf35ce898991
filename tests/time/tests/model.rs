//! A model of lock, lease and fence.

#![allow(clippy::unwrap_used)]

#[path = "model/mod.rs"]
mod model;
