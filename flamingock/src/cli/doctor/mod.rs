//! The command `doctor`: checks the database of the audit, and says what to do next.

mod checked;
mod clock;
mod examine;
mod rights;

pub(super) use crate::cli::doctor::examine::doctor;
