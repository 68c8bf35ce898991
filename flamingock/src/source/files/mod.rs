//! Changes as files: the folders that `include_files!` embeds, read once in each process.
//!
//! ```text
//! folder -> format -> name + header -> definitions
//! ```

mod alone;
mod atlas;
#[cfg(feature = "_sqlx")]
mod atlas_sum;
pub(crate) mod comment;
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
#[cfg(feature = "templates")]
mod in_order;
#[cfg(feature = "cli")]
pub(crate) mod listing;
mod load;
mod marks;
mod metadata;
pub(crate) mod mistake;
mod name;
mod passed;
pub(crate) mod read;
pub(crate) mod role;
mod sql;
mod templates;

pub use crate::source::files::folder::{Defaults, EmbeddedFolder};
pub(crate) use crate::source::files::templates::{Decided, Templates};
