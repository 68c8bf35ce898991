//! The outcome of a change, and its consequence for the run.

use crate::audit::entry::TransactionMode;
use crate::audit::store_error::StoreError;
use crate::change::body::Body;
use crate::plan::decision::Cause;
use crate::plan::note::Note;
use crate::plan::step::Step;
use crate::report::run::{BatchReport, Outcome, StepReport};
use crate::util::error_chain::ErrorChain;

pub(super) const NO_CONNECTION: &str = "the function did not run: there was no connection for it";

pub(super) const NO_DATABASE: &str = "its target system has no database";

pub(super) const NOT_RUN: &str = "the change did not run: its transaction could not begin";

pub(super) const NOT_RECORDED: &str = "the change did not run: its start could not be recorded";

/// The outcome of a change.
#[derive(Debug)]
pub(crate) struct ExecutionOutcome {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ErrorChain>,
    pub(crate) issue: Option<Cause>,
    pub(crate) notes: Vec<Note>,
    pub(crate) steps: Vec<StepReport>,
    /// How far it is, if it works in batches.
    pub(crate) batches: Option<BatchReport>,
    pub(crate) run_state: RunState,
    /// Whether its function was dropped because the run was asked to stop.
    pub(crate) stopped: bool,
}

/// The consequence for the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunState {
    /// The run goes on, at least with the stages that do not depend on this one.
    GoesOn,
    /// The lock has, or may have, another owner: no more changes run, and nothing more is written.
    Lost(String),
    /// The outcome could not be determined, or could not be recorded.
    Unknown,
}

impl ExecutionOutcome {
    pub(crate) fn new(outcome: Outcome) -> ExecutionOutcome {
        ExecutionOutcome {
            outcome,
            error: None,
            issue: None,
            notes: Vec::new(),
            steps: Vec::new(),
            batches: None,
            run_state: RunState::GoesOn,
            stopped: false,
        }
    }

    pub(crate) fn failed(outcome: Outcome, error: ErrorChain) -> ExecutionOutcome {
        ExecutionOutcome {
            error: Some(error),
            ..ExecutionOutcome::new(outcome)
        }
    }

    pub(crate) fn lost(reason: String) -> ExecutionOutcome {
        let error = ErrorChain::text(&format!("the lease was lost: {reason}"));
        ExecutionOutcome {
            run_state: RunState::Lost(reason),
            ..ExecutionOutcome::failed(Outcome::Failed, error)
        }
    }

    pub(super) fn unknown(error: ErrorChain) -> ExecutionOutcome {
        ExecutionOutcome {
            run_state: RunState::Unknown,
            ..ExecutionOutcome::failed(Outcome::Failed, error)
        }
    }

    pub(super) fn with(mut self, note: Note) -> ExecutionOutcome {
        self.notes.push(note);
        self
    }
}

/// Reports whether the code names another target system now than the attempt's.
pub(super) fn moved(step: &Step) -> bool {
    step.latest
        .as_ref()
        .is_some_and(|latest| latest.target != step.definition.target)
}

/// Returns the outcome of an applied change. The mode is `none` if the database committed midway.
pub(super) fn applied(mode: &TransactionMode) -> ExecutionOutcome {
    let executed = ExecutionOutcome::new(Outcome::NewlyApplied);
    match mode {
        TransactionMode::None => executed.with(Note::CommittedMidway),
        _ => executed,
    }
}

pub(super) fn blocked(step: &Step, cause: Cause) -> ExecutionOutcome {
    let error = step.latest.as_ref().and_then(|latest| latest.error.clone());
    ExecutionOutcome {
        error,
        issue: Some(cause),
        ..ExecutionOutcome::new(Outcome::Blocked)
    }
}

pub(super) fn takes_connection(body: &Body<()>) -> bool {
    body.needs
        .iter()
        .any(crate::change::argument::Need::is_connection)
}

pub(super) fn issue(cause: Cause, error: ErrorChain) -> ExecutionOutcome {
    ExecutionOutcome {
        issue: Some(cause),
        ..ExecutionOutcome::failed(Outcome::Failed, error)
    }
}

pub(super) fn no_database() -> ExecutionOutcome {
    ExecutionOutcome::failed(Outcome::Failed, ErrorChain::text(NO_DATABASE))
}

pub(super) fn introduced(introduction: &str, cause: &ErrorChain) -> ErrorChain {
    ErrorChain::text(introduction).and_all(cause)
}

pub(super) fn with_unrecorded(error: ErrorChain, unrecorded: Option<StoreError>) -> ErrorChain {
    match unrecorded {
        Some(unrecorded) => error
            .and("and that could not be recorded")
            .and_all(&ErrorChain::of(&unrecorded)),
        None => error,
    }
}
