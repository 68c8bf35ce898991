//! Changes as files: what `include_files!` has embedded, read once in a process.
//!
//! ```text
//! folder -> format -> name + header -> definitions
//! ```

mod compare;
mod digest;
mod folder;
mod format;
mod goose;
mod header;
mod load;
mod metadata;
mod name;
mod sql;

pub use folder::{Defaults, EmbeddedFolder};
