//! Where changes come from: the registry of the linker, files, templates.

pub(crate) mod files;
pub(crate) mod registry;
#[cfg(feature = "templates")]
pub mod template;
