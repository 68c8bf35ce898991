//! Adopting changes that were applied before: by another tool, by another service, or by hand.
//!
#![cfg_attr(
    not(doctest),
    doc = include_str!("../../docs/links-in-rustdoc.txt"),
    doc = include_str!("../../docs/adopt.md")
)]

pub(crate) mod adopted;
pub(crate) mod adoption;
pub(crate) mod atlas;
pub(crate) mod flyway;
pub(crate) mod histories;
pub(crate) mod history;
pub(crate) mod interpret;
pub(crate) mod mapping;
pub(crate) mod matching;
pub(crate) mod mongock;
pub(crate) mod past;
pub(crate) mod place;
pub(crate) mod problem;
pub(crate) mod reading;
pub(crate) mod taking;
pub(crate) mod tool;
pub(crate) mod version;

pub use self::adopted::{Adopted, AdoptedChange, Baseline, PassedOver};
pub use self::adoption::Adoption;
pub(crate) use self::adoption::{is_adopted, table_of};
pub use self::past::PastChange;
pub(crate) use self::reading::has_history;
pub use self::tool::{Tool, UnknownTool};
