//! The decision table: what to do with a change, given its latest entry. Pure.

use std::fmt;

use serde::Serialize;

use crate::audit::change_progress::ChangeProgress;
use crate::audit::entry::{Origin, State, TransactionMode};
use crate::audit::snapshot::LockStatus;
use crate::change::definition::{Recovery, Repeat};
use crate::util::error_chain::ErrorChain;

/// What to do with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Run the change.
    Apply,
    /// Nothing: the change is applied.
    Skip,
    /// Run the change again: it is repeatable, and its definition differs from the applied one.
    Again,
    /// Call the verify function. If it says applied, the change counts as applied; if not, the
    /// attempt's purpose decides.
    Verify(WhenAbsent),
    /// Read the attempt's marker at the target system, which shows whether it was committed. For an
    /// attempt to apply: skip the change if it was, apply it if not. For an undo: the change is
    /// rolled back if it was, still applied if not.
    Resolve,
    /// Nothing: the change needs manual resolution.
    Issue(Cause),
    /// Nothing: the runner's tags do not select the change.
    Filtered,
    /// Nothing: the change runs in the background, where this would be the decision.
    Later(Box<Decision>),
    /// Nothing yet: the change needs something that is not there.
    Waits(Box<Wait>),
}

/// What a pending change waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The change in the background that it requires is not applied.
    Required {
        id: &'static str,
        progress: Option<ChangeProgress>,
    },
    /// Another version of the application works on it in the background.
    InBackground(LockStatus),
    /// An operator paused or cancelled it: who, and why.
    Halted(String),
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Required { id, progress } => {
                write!(
                    f,
                    "it requires the change {id:?} in the background, which is not applied"
                )?;
                match progress {
                    Some(progress) => write!(f, ": {progress}"),
                    None => f.write_str(" and has not begun"),
                }
            }
            Wait::Halted(text) => f.write_str(text),
            Wait::InBackground(lock) => write!(
                f,
                "another version of the application works on it in the background: {lock}"
            ),
        }
    }
}

/// What it means if the verify function says "not applied".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenAbsent {
    /// The attempt to apply left nothing behind: apply the change.
    Apply,
    /// The undo was completed: the change is rolled back.
    RolledBack,
}

/// The reason why a change needs manual resolution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A non-transactional attempt was interrupted.
    Interrupted,
    /// A non-transactional attempt failed and was not rolled back.
    Failed,
    /// The rollback failed.
    RollbackFailed,
    /// An undo was interrupted, and its progress is unknown.
    UndoInterrupted,
    /// An undo works in batches and has not come to its end: the next undo continues.
    UndoUnfinished,
    /// The verify function failed.
    VerifyFailed,
    /// The transaction of an interrupted attempt is still open at the target system.
    StillOpen,
    /// The markers at the target system do not belong to this audit.
    ForeignMarkers,
    /// The audit lacks the first entry of an interrupted attempt, whose position names the
    /// attempt's marker.
    IncompleteHistory,
    /// The progress of the change in batches is gone, so it is unknown what was committed.
    ProgressGone,
    /// Batches are committed, and the code of the change does not work in batches any more.
    NoBatches,
    /// The unfinished attempt ran at another target system than the one that the code names now.
    TargetChanged,
    /// The audit has an entry that this version does not know.
    UnknownState,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Interrupted => {
                "a non-transactional attempt was interrupted: its effects are unknown"
            }
            Cause::Failed => {
                "a non-transactional attempt failed and was not rolled back"
            }
            Cause::RollbackFailed => "its rollback failed: its effects are unknown",
            Cause::UndoInterrupted => "its undo was interrupted",
            Cause::UndoUnfinished => "its undo works in batches and is not finished: the next `undo` continues it",
            Cause::VerifyFailed => "its verify function failed, so it is unknown whether the change is applied",
            Cause::TargetChanged => {
                "an attempt at another target system than the code now names was interrupted"
            }
            Cause::ProgressGone => {
                "its progress is not in the table `flamingock_progress` any more, so it is unknown which batches are committed"
            }
            Cause::NoBatches => {
                "an earlier version of it works in batches and has not finished: this version would do everything again"
            }
            Cause::ForeignMarkers => {
                "the markers at its target system are not this audit's, so nothing there tells whether it is applied"
            }
            Cause::IncompleteHistory => {
                "the history lacks the entry that an interrupted attempt began with, so its marker cannot be found"
            }
            Cause::StillOpen => "the transaction of an interrupted attempt is still open",
            Cause::UnknownState => {
                "the audit has an entry that this version of flamingock does not know"
            }
        })
    }
}

impl Cause {
    /// The causes that a run finds out. No state in the audit stands for them.
    const FOUND_OUT: [Cause; 5] = [
        Cause::VerifyFailed,
        Cause::StillOpen,
        Cause::ForeignMarkers,
        Cause::IncompleteHistory,
        Cause::ProgressGone,
    ];

    /// Returns the error of the entry that records this cause, followed by the attempt's own error.
    pub(crate) fn before(&self, error: Option<&ErrorChain>) -> ErrorChain {
        let told = ErrorChain::text(&self.to_string());
        error.map_or_else(|| told.clone(), |error| told.clone().and_all(error))
    }

    /// Returns the cause that a run recorded in this error.
    pub(crate) fn found_out(error: Option<&ErrorChain>) -> Option<Cause> {
        let first = error?.causes().first()?;
        let mut known = Cause::FOUND_OUT.into_iter();
        known.find(|cause| cause.to_string() == *first)
    }
}

/// The part of a change's definition that the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) recovery: Recovery,
    pub(crate) has_verify: bool,
    pub(crate) repeat: Repeat,
    pub(crate) batches: Batches,
}

/// Whether a change works in batches, and so continues after the last committed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batches {
    /// It does not.
    No,
    /// Each batch is a transaction.
    Transactional,
    /// The batches run outside a transaction: the one that was interrupted runs again.
    Plain,
}

/// The part of the latest entry that the decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded<'a> {
    pub(crate) state: &'a State,
    pub(crate) mode: &'a TransactionMode,
    pub(crate) origin: &'a Origin,
    /// Whether the definition has changed since.
    pub(crate) changed: bool,
    /// Whether a rollback began in a transaction of the target system, which has a marker.
    pub(crate) rolls_back_elsewhere: bool,
    /// Whether the attempt works in batches.
    pub(crate) in_batches: bool,
}

/// Decides what to do with a change. The entry shows how the attempt ran, and so what it may have
/// left behind; the code shows what is allowed now.
pub(crate) fn decide(recorded: Option<&Recorded<'_>>, code: Code) -> Decision {
    let Some(recorded) = recorded else {
        return Decision::Apply;
    };
    // What an operator stopped after a batch continues like what failed in one.
    let state = match recorded.state {
        State::Paused | State::Cancelled | State::Resumed => &State::Failed,
        state => state,
    };
    match state {
        State::RolledBack | State::MarkedRolledBack => Decision::Apply,
        State::Applied | State::MarkedApplied => match code.repeat {
            Repeat::OnChange if recorded.changed => Decision::Again,
            Repeat::OnChange | Repeat::Once => Decision::Skip,
        },
        // The next undo continues after the last committed batch of the rollback.
        State::Started | State::Failed
            if recorded.in_batches && *recorded.origin == Origin::Undo =>
        {
            Decision::Issue(Cause::UndoUnfinished)
        }
        State::Started | State::Failed if recorded.in_batches && code.batches == Batches::No => {
            Decision::Issue(Cause::NoBatches)
        }
        // What the attempt committed is in the progress of the change.
        State::Started | State::Failed if continues(recorded, code) => Decision::Apply,
        // An undo has a marker too, which shows whether it was committed.
        State::Started if *recorded.mode == TransactionMode::Separate => Decision::Resolve,
        State::Started | State::Failed if *recorded.origin == Origin::Undo => {
            interrupted_undo(code)
        }
        State::Started => match recorded.mode {
            TransactionMode::Separate => Decision::Resolve,
            // A shared transaction leaves such an entry only if the database committed it midway,
            // so it counts as non-transactional.
            TransactionMode::Shared | TransactionMode::None => interrupted(code),
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::Failed => match recorded.mode {
            TransactionMode::Shared | TransactionMode::Separate => Decision::Apply,
            // A rollback that is committed late would reverse the work of a new attempt.
            TransactionMode::None if recorded.rolls_back_elsewhere => Decision::Resolve,
            TransactionMode::None => unless_retry(code, Cause::Failed),
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::RollbackFailed => match recorded.mode {
            TransactionMode::Shared | TransactionMode::Separate | TransactionMode::None => {
                unless_retry(code, Cause::RollbackFailed)
            }
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::LockReleased
        | State::Paused
        | State::Cancelled
        | State::Resumed
        | State::Unknown(_) => Decision::Issue(Cause::UnknownState),
    }
}

/// Reports whether the change works in batches, as the attempt did: an attempt in transactions that
/// is recorded without one left something behind, because the database committed a batch midway.
pub(crate) fn continues(recorded: &Recorded<'_>, code: Code) -> bool {
    recorded.in_batches
        && match code.batches {
            Batches::No => false,
            Batches::Transactional => matches!(
                recorded.mode,
                TransactionMode::Shared | TransactionMode::Separate
            ),
            Batches::Plain => *recorded.mode == TransactionMode::None,
        }
}

/// Decides about an attempt of which only the beginning is known.
pub(crate) fn interrupted(code: Code) -> Decision {
    // The verify function of a repeatable change cannot tell this version from the previous one.
    if code.has_verify && code.repeat == Repeat::Once {
        Decision::Verify(WhenAbsent::Apply)
    } else {
        unless_retry(code, Cause::Interrupted)
    }
}

/// Decides about an undo of which only the beginning is known. The change is never applied again.
pub(crate) fn interrupted_undo(code: Code) -> Decision {
    if code.has_verify {
        Decision::Verify(WhenAbsent::RolledBack)
    } else {
        Decision::Issue(Cause::UndoInterrupted)
    }
}

/// Decides about an attempt that failed or was interrupted, by the change's recovery setting.
pub(crate) fn unless_retry(code: Code, cause: Cause) -> Decision {
    match code.recovery {
        Recovery::Retry => Decision::Apply,
        Recovery::Manual => Decision::Issue(cause),
    }
}

#[cfg(test)]
mod tests;
