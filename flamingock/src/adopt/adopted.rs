//! The reports of an adoption and of a baseline.

use crate::util::plural::plural;
use std::fmt;

use serde::Serialize;

use super::past::PastChange;
use super::tool::Tool;

/// The result of [`Runner::adopt`](crate::Runner::adopt).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Adopted {
    /// The tool whose history was read.
    pub tool: Tool,
    /// The changes that are recorded as applied now.
    pub adopted: Vec<AdoptedChange>,
    /// The changes of the history that this service had entries of already. Nothing was written for
    /// them.
    pub known: Vec<AdoptedChange>,
    /// Applied migrations of the history that map to no change of this application.
    pub unmapped: Vec<PastChange>,
    /// Applied migrations that the mapping leaves out.
    pub left_out: Vec<PastChange>,
    /// The remaining rows of the history, which do not record a migration as applied.
    pub passed_over: Vec<PassedOver>,
    /// The changes of this application that the history does not have. A run applies them, unless
    /// this service has applied them already.
    pub not_in_history: Vec<String>,
}

/// A change of this application, and the migration of the other tool that it corresponds to.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AdoptedChange {
    /// The id of the change.
    pub change_id: String,
    /// The migration in the other tool's history.
    pub past: PastChange,
    /// Why the two correspond, for people.
    #[serde(skip)]
    pub why: String,
}

/// A row of the other tool's history that does not record a migration as applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PassedOver {
    /// The name in the history.
    pub name: String,
    /// Why the row does not count.
    pub why: String,
}

/// Writes counts, and the name of every migration that maps to no change.
impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Adopted { tool, .. } = self;
        write!(
            f,
            "{} adopted from {tool}",
            plural(self.adopted.len(), "change")
        )?;
        if !self.known.is_empty() {
            write!(f, ", {} known already", self.known.len())?;
        }
        for past in &self.unmapped {
            write!(f, "\n  of {tool} only   {}", past.name)?;
        }
        for past in &self.left_out {
            write!(f, "\n  left out   {}", past.name)?;
        }
        for row in &self.passed_over {
            write!(f, "\n  passed over   {} ({})", row.name, row.why)?;
        }
        for id in &self.not_in_history {
            write!(f, "\n  here only   {id}")?;
        }
        Ok(())
    }
}

/// The result of [`Runner::baseline`](crate::Runner::baseline).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Baseline {
    /// The changes that are recorded as applied now, in order.
    pub recorded: Vec<String>,
    /// The changes up to the same one that had entries already. Nothing was written for them.
    pub known: Vec<String>,
}
