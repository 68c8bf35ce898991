//! The decision: what to do with a change, given its newest entry. Pure.

use std::fmt;

use serde::Serialize;

use crate::audit::entry::{Origin, State, TransactionMode};
use crate::change::definition::{Recovery, Repeat};
use crate::util::error_chain::ErrorChain;

/// What to do with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Run it.
    Apply,
    /// It is applied.
    Skip,
    /// It is applied, but not as it is now, and is one that is then run again.
    Again,
    /// Ask its probe: true is applied. False is what the attempt was to be.
    Verify(WhenAbsent),
    /// Ask the target's marker whether the attempt was committed: one that applies is skipped then, or
    /// applied; one that undoes is rolled back, or still applied.
    Resolve,
    /// Manual resolution is needed.
    Issue(Cause),
    /// The runner's tags leave it out.
    Filtered,
}

/// What the probe's "not there" means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenAbsent {
    /// The attempt to apply it left nothing: apply it.
    Apply,
    /// The attempt to undo it is through: it is rolled back.
    RolledBack,
}

/// Why manual resolution is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// An attempt without transaction began and nobody saw it end.
    Interrupted,
    /// An attempt without transaction failed, and what it did was not undone.
    Failed,
    /// The rollback failed.
    RollbackFailed,
    /// An undo began, and it is not known how far it came.
    UndoInterrupted,
    /// The probe itself failed.
    VerifyFailed,
    /// The transaction of an interrupted attempt is still open at its target.
    StillOpen,
    /// The markers at its target system are not those of this audit.
    ForeignMarkers,
    /// The history lacks the entry that an interrupted attempt began with, which its marker is named after.
    IncompleteHistory,
    /// An attempt is to be settled that worked at another target system than the code now names.
    TargetChanged,
    /// The audit says something that this version does not know.
    UnknownState,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Interrupted => {
                "an attempt outside a transaction began and was not seen to end: it may have left anything behind"
            }
            Cause::Failed => {
                "an attempt outside a transaction failed and what it did was not undone"
            }
            Cause::RollbackFailed => "its rollback failed: it may have left anything behind",
            Cause::UndoInterrupted => "its undo began and was not seen to end",
            Cause::VerifyFailed => "its verify function failed, so nobody knows whether it is there",
            Cause::TargetChanged => {
                "an attempt at another target system than its code now names was not seen to end"
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
    /// Those that a run finds out, and that no state of the audit stands for.
    const FOUND_OUT: [Cause; 4] = [
        Cause::VerifyFailed,
        Cause::StillOpen,
        Cause::ForeignMarkers,
        Cause::IncompleteHistory,
    ];

    /// The error of an entry that says what a run found out about an attempt.
    pub(crate) fn before(&self, error: Option<&ErrorChain>) -> ErrorChain {
        let told = ErrorChain::text(&self.to_string());
        error.map_or_else(|| told.clone(), |error| told.clone().and_all(error))
    }

    /// What a run has found out that recorded this error.
    pub(crate) fn found_out(error: Option<&ErrorChain>) -> Option<Cause> {
        let first = error?.causes().first()?;
        let mut known = Cause::FOUND_OUT.into_iter();
        known.find(|cause| cause.to_string() == *first)
    }
}

/// What the code says of a change, as far as the decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) recovery: Recovery,
    pub(crate) has_verify: bool,
    pub(crate) repeat: Repeat,
}

/// What the newest entry says of a change, as far as the decision goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded<'a> {
    pub(crate) state: &'a State,
    pub(crate) mode: &'a TransactionMode,
    pub(crate) origin: &'a Origin,
    /// Whether the code is another one since.
    pub(crate) changed: bool,
    /// Whether a rollback began in a transaction of the target system, whose marker tells of it.
    pub(crate) rolls_back_elsewhere: bool,
}

/// What to do with a change. How the recorded attempt ran tells what it may have left behind; what
/// may be done about it is what the code says now.
pub(crate) fn decide(recorded: Option<&Recorded<'_>>, code: Code) -> Decision {
    let Some(recorded) = recorded else {
        return Decision::Apply;
    };
    match recorded.state {
        State::RolledBack | State::MarkedRolledBack => Decision::Apply,
        State::Applied | State::MarkedApplied => match code.repeat {
            Repeat::OnChange if recorded.changed => Decision::Again,
            Repeat::OnChange | Repeat::Once => Decision::Skip,
        },
        // The marker tells of an undo, too, whether it was committed.
        State::Started if *recorded.mode == TransactionMode::Separate => Decision::Resolve,
        State::Started | State::Failed if *recorded.origin == Origin::Undo => {
            interrupted_undo(code)
        }
        State::Started => match recorded.mode {
            TransactionMode::Separate => Decision::Resolve,
            // Such an entry of a shared transaction is only seen when the database has committed
            // it midway: as if there had been no transaction.
            TransactionMode::Shared | TransactionMode::None => interrupted(code),
            TransactionMode::Unknown(_) => Decision::Issue(Cause::UnknownState),
        },
        State::Failed => match recorded.mode {
            TransactionMode::Shared | TransactionMode::Separate => Decision::Apply,
            // A rollback that is committed late would undo what a new attempt does.
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
        State::LockReleased | State::Unknown(_) => Decision::Issue(Cause::UnknownState),
    }
}

/// An attempt of which nothing more is known than that it began.
pub(crate) fn interrupted(code: Code) -> Decision {
    // Of what is applied again, a probe does not tell whether it sees this attempt or the one before.
    if code.has_verify && code.repeat == Repeat::Once {
        Decision::Verify(WhenAbsent::Apply)
    } else {
        unless_retry(code, Cause::Interrupted)
    }
}

/// An undo of which nothing more is known than that it began. It never leads to apply.
pub(crate) fn interrupted_undo(code: Code) -> Decision {
    if code.has_verify {
        Decision::Verify(WhenAbsent::RolledBack)
    } else {
        Decision::Issue(Cause::UndoInterrupted)
    }
}

/// What an attempt comes to that is on record as failed.
pub(crate) fn unless_retry(code: Code, cause: Cause) -> Decision {
    match code.recovery {
        Recovery::Retry => Decision::Apply,
        Recovery::Manual => Decision::Issue(cause),
    }
}

#[cfg(test)]
mod tests;
