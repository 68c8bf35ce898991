//! Issues: changes that need manual resolution, and the resolutions themselves.

use crate::audit::entry::{State, TransactionMode};
use crate::audit::snapshot::Snapshot;
use crate::plan::decision::Cause;
use crate::plan::step::{Step, is_applied};
use crate::util::error_chain::ErrorChain;
use crate::util::time;
use serde::Serialize;
use std::time::SystemTime;

/// An operator's decision about a change that needs manual resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The change took effect.
    Applied,
    /// Nothing of the change took effect, or it was reversed: the next run applies it.
    RolledBack,
}

/// The result of [`Runner::resolve`](crate::Runner::resolve).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resolved {
    /// The resolution was recorded.
    Recorded,
    /// The audit recorded the same already, so nothing was written.
    Unchanged,
}

/// A change that needs manual resolution, or one whose attempt may still be running.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// The id of the change.
    pub change_id: String,
    /// The stage of the change.
    pub stage: String,
    /// The target system of the change.
    pub target: String,
    /// The reason why manual resolution is needed.
    pub cause: Cause,
    /// Whether the run of this attempt has the lock. The attempt may then still be running, and the
    /// issue may go away by itself.
    pub may_be_running: bool,
    /// The state of the latest entry.
    pub state: State,
    /// The transaction mode of that attempt.
    pub transaction_mode: TransactionMode,
    /// The number of that attempt.
    pub attempt: u32,
    /// When that attempt began, by the database's clock.
    #[serde(serialize_with = "time::serialize")]
    pub started_at: SystemTime,
    /// Why that attempt failed; `None` if no failure was recorded.
    pub error: Option<ErrorChain>,
    /// The operator of that attempt, if there was one.
    pub operator: Option<String>,
}

/// Returns the issue of a change, if it needs manual resolution or may still be running.
pub(crate) fn issue(step: &Step, snapshot: &Snapshot) -> Option<Issue> {
    let (cause, latest) = (step.issue()?, step.latest.as_deref()?);
    debug_assert!(!is_applied(&latest.state));
    Some(Issue {
        change_id: latest.change_id.clone(),
        stage: latest.stage.clone(),
        target: latest.target.clone(),
        cause,
        may_be_running: snapshot.is_running(latest),
        state: latest.state.clone(),
        transaction_mode: latest.transaction_mode.clone(),
        attempt: latest.attempt,
        started_at: latest.started_at,
        error: latest.error.clone(),
        operator: latest.operator.clone(),
    })
}
