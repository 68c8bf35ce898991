//! The examples that change other systems than databases, each against the real one.
//!
//! The pages of the examples are checked, and then what a page does not show: existing objects are
//! left unchanged, a failure in the middle is rolled back, and a killed process is resolved by the
//! next run.

#![allow(clippy::unwrap_used)]

#[path = "systems/api_gateway.rs"]
mod api_gateway;
#[path = "systems/declarative.rs"]
mod declarative;
#[path = "systems/deployment_dependencies.rs"]
mod deployment_dependencies;
#[path = "systems/from_sqlx.rs"]
mod from_sqlx;
#[path = "systems/message_broker.rs"]
mod message_broker;
#[path = "systems/operational_work.rs"]
mod operational_work;
#[path = "systems/persistent_storage.rs"]
mod persistent_storage;
#[path = "systems/program.rs"]
mod program;
#[path = "systems/shop.rs"]
mod shop;
