//! The harness of Flamingock's scenarios: real servers that a test can kill, databases of its own,
//! a network that it can cut, and processes that it can stop.
//!
//! A scenario is written once, as an async function that is generic over a [`Backend`], and
//! [`scenarios!`] turns it into one test per database.

#![allow(clippy::unwrap_used)] // Nothing here runs outside a test.

mod address;
pub mod backend;
pub mod cargo;
pub mod clients;
pub mod files;
pub mod folders;
mod gate;
pub mod http;
mod many;
mod normalise;
pub mod on;
mod page;
pub mod process;
pub mod proxy;
mod recorder;
mod scenarios;
pub mod servers;
pub mod sql;
pub mod systems;
mod until;

pub use backend::{Backend, Sqlite, TestDatabase};
pub use files::{atlas_sum, behind_fillers, folder, folder_of, script};
pub use gate::Gate;
pub use many::many;
pub use normalise::normalise;
pub use page::{Page, Said};
pub use process::{Driver, Finished};
pub use proxy::Proxy;
pub use recorder::Recorder;
#[doc(hidden)]
pub use scenarios::run_scenario;
pub use servers::{Galera, Hosted, MariaDb, Postgres, Server};
pub use sql::{
    PlainSql, audit, count, done, execute, query, strings, try_execute, with_hook, with_table,
};
pub use systems::System;
pub use until::{block_until, until, until_every, until_idle};
