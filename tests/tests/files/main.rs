//! Changes as files on every database: scripts, templates, the folders and histories of other tools.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

mod adopt;
mod dumps;
mod files;
mod folders;
mod statements;
mod templates;
