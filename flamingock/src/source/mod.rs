//! The sources of changes: the linker's registry, files, templates.

pub(crate) mod files;
pub(crate) mod registry;
#[cfg(feature = "templates")]
pub mod template;
