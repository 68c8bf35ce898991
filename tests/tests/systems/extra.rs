//! The examples whose servers or crates are not in Debian or take long: `tests/run extra` installs
//! what they need and runs them.

mod cloud_resources;
mod feature_flag;
mod program;
