//! Changes that need manual resolution.

use crate::audit::entry::{State, TransactionMode};
use crate::audit::snapshot::Snapshot;
use crate::plan::decision::Cause;
use crate::plan::steps::{Step, is_applied};
use crate::util::error_chain::ErrorChain;
use crate::util::time;
use serde::Serialize;
use std::time::SystemTime;

/// What an operator found out about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Its effect is there.
    Applied,
    /// Nothing of it is there: the next run applies it.
    RolledBack,
}

/// What became of a resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resolved {
    /// It is on record.
    Recorded,
    /// The audit said the same before: nothing was written.
    Unchanged,
}

/// A change that needs manual resolution, or that an attempt is running at.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// The change's id.
    pub change_id: String,
    /// Its stage.
    pub stage: String,
    /// Its target system.
    pub target: String,
    /// Why manual resolution is needed.
    pub cause: Cause,
    /// Whether the run of this attempt has the lock: then it may be running, and there may be no
    /// issue.
    pub may_be_running: bool,
    /// What the newest entry says.
    pub state: State,
    /// How that attempt ran.
    pub transaction_mode: TransactionMode,
    /// Which attempt it was.
    pub attempt: u32,
    /// When it began, by the clock of the database.
    #[serde(serialize_with = "time::serialize")]
    pub started_at: SystemTime,
    /// Why it failed, if it was seen to.
    pub error: Option<ErrorChain>,
    /// The person who asked for it, if that is known.
    pub operator: Option<String>,
}

/// The issue of a change; `may_be_running` where it is none yet.
pub(crate) fn issue(step: &Step, snapshot: &Snapshot) -> Option<Issue> {
    let (cause, newest) = (step.issue()?, step.newest.as_deref()?);
    debug_assert!(!is_applied(&newest.state));
    Some(Issue {
        change_id: newest.change_id.clone(),
        stage: newest.stage.clone(),
        target: newest.target.clone(),
        cause,
        may_be_running: snapshot.is_running(newest),
        state: newest.state.clone(),
        transaction_mode: newest.transaction_mode.clone(),
        attempt: newest.attempt,
        started_at: newest.started_at,
        error: newest.error.clone(),
        operator: newest.operator.clone(),
    })
}
