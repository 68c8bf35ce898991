//! The command `new`: creates the files of a change, its `mod` line and its line in the manifest.

mod arguments;
mod attribute;
mod create;
mod edit;
mod known;
mod order;
mod plan;
mod text;

pub(super) use crate::cli::new::arguments::New;
pub(super) use crate::cli::new::create::new;
pub(super) use crate::cli::new::plan::MANIFEST;
