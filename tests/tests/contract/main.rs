//! The contract of audit and lock stores, and the tools that other tests are built of.

#![allow(clippy::unwrap_used)]

mod harness;
mod json;
mod memory;
mod own_store;
mod proxy;
mod stores;
