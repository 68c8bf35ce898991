//! What became of a run: its report, its error, its issues.

pub(crate) mod error;
pub(crate) mod issue;
pub(crate) mod probe;
pub(crate) mod run;
pub(crate) mod text;
