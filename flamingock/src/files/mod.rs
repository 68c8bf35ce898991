//! Changes as files: what `include_files!` has embedded, read once in a process.
//!
//! ```text
//! folder -> format -> name + header -> definitions
//! ```

mod alone;
mod atlas;
mod compare;
mod dbmate;
#[cfg(feature = "templates")]
mod declared;
mod digest;
mod folder;
mod foreign;
mod format;
mod golang;
mod goose;
mod header;
mod load;
mod marks;
mod metadata;
mod name;
mod passed;
mod sql;
mod templates;

pub use folder::{Defaults, EmbeddedFolder};
pub(crate) use templates::{Decided, Templates};
