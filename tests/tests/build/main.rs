//! What compiles and what does not: the attribute macros, the first program of the README, crates
//! that embed files, registration in every kind of crate.

#![allow(clippy::unwrap_used)]

mod files_built;
mod readme;
mod registration;
mod single_feature;
mod ui;
