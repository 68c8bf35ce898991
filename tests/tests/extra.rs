//! The examples whose servers or crates are not in Debian or take long: `tests/run extra` installs
//! what they need and runs them.

#![allow(clippy::unwrap_used)]

#[path = "extra/cloud_resources.rs"]
mod cloud_resources;
#[path = "extra/feature_flag.rs"]
mod feature_flag;
#[path = "extra/program.rs"]
mod program;
