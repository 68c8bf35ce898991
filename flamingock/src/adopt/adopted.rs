//! What was taken over.

use crate::util::plural::plural;
use std::fmt;

use serde::Serialize;

use super::past::PastChange;
use super::tool::Tool;

/// What [`Runner::adopt`](crate::Runner::adopt) has done.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Adopted {
    /// Whose history it was.
    pub tool: Tool,
    /// The changes that are on record as applied now.
    pub adopted: Vec<AdoptedChange>,
    /// The changes that the history has, too, but that this service had entries of already: nothing
    /// was written for them.
    pub known: Vec<AdoptedChange>,
    /// What the history has applied and what maps to no change here.
    pub unmapped: Vec<PastChange>,
    /// What the mapping leaves out.
    pub left_out: Vec<PastChange>,
    /// What the history says besides: rows by which no change is applied.
    pub passed_over: Vec<PassedOver>,
    /// The changes here that the history does not have: a run applies them, unless this service has
    /// applied them before.
    pub not_in_history: Vec<String>,
}

/// A change here and the one of the other tool that it is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AdoptedChange {
    /// The change's id here.
    pub change_id: String,
    /// What it is in the other tool's history.
    pub past: PastChange,
    /// Why it is that one, for people.
    #[serde(skip)]
    pub why: String,
}

/// A row of the other tool's history that does not say of a change that it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PassedOver {
    /// What it is called there.
    pub name: String,
    /// Why it does not count.
    pub why: String,
}

/// For people: counts, and the name of everything that maps to nothing.
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

/// What [`Runner::baseline`](crate::Runner::baseline) has done.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Baseline {
    /// The changes that are on record as applied now, in order.
    pub recorded: Vec<String>,
    /// The changes up to the same place that had entries before: nothing was written for them.
    pub known: Vec<String>,
}
