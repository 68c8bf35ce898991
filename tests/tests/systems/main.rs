//! The examples that change other systems than databases, each against the real one.
//!
//! The pages of the examples are checked, and then what a page does not show: existing objects are
//! left unchanged, a failure in the middle is rolled back, and a killed process is resolved by the
//! next run.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

mod api_gateway;
mod coming_from;
mod declarative;
mod deployment_dependencies;
mod examples;
mod extra;
mod from_sqlx;
mod http;
mod kubernetes;
mod listeners;
mod message_broker;
mod operational_work;
mod persistent_storage;
mod program;
mod redis_store;
mod shop;
mod shop_picture;
mod tls_server;
