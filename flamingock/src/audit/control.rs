//! What operators ask of a change in batches, from another process.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use super::entry::State;
use crate::util::time;

/// The state of a change in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProgressState {
    /// Batches are left: a run works on the change, or the next one continues.
    Running,
    /// Nothing is left to do.
    Finished,
    /// An operator paused the change, and can resume it.
    Paused,
    /// An operator cancelled the change, and can resume it or undo it.
    Cancelled,
    /// An undo works on the change in batches, or the next undo continues.
    RollingBack,
}

/// Any other word is that of a change with work to do.
impl<'de> Deserialize<'de> for ProgressState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ProgressState, D::Error> {
        Ok(ProgressState::from_word(&String::deserialize(
            deserializer,
        )?))
    }
}

impl ProgressState {
    /// Returns the word that JSON and the store have.
    pub fn as_str(self) -> &'static str {
        match self {
            ProgressState::Running => "running",
            ProgressState::Finished => "finished",
            ProgressState::Paused => "paused",
            ProgressState::Cancelled => "cancelled",
            ProgressState::RollingBack => "rolling_back",
        }
    }

    /// Returns the state of a word. Any other text, such as that of a change that was rolled back,
    /// is a change with work to do.
    pub fn from_word(word: &str) -> ProgressState {
        match word {
            "finished" => ProgressState::Finished,
            "paused" => ProgressState::Paused,
            "cancelled" => ProgressState::Cancelled,
            // With rows that failed, which the next undo does again.
            "rolling_back" | "rolled_back" => ProgressState::RollingBack,
            _ => ProgressState::Running,
        }
    }

    /// Reports whether an operator paused or cancelled the change.
    pub(crate) fn is_halted(self) -> bool {
        matches!(self, ProgressState::Paused | ProgressState::Cancelled)
    }
}

/// What an operator asks the run that works on a change in batches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ControlAction {
    /// To stop after the batch in progress, until an operator resumes the change.
    Pause,
    /// To stop after the batch in progress, for good. An operator can still resume it.
    Cancel,
}

impl ControlAction {
    /// Returns the word that the store has.
    pub fn as_str(self) -> &'static str {
        match self {
            ControlAction::Pause => "pause",
            ControlAction::Cancel => "cancel",
        }
    }

    /// Returns the action of a word; `None` for any other text.
    pub fn from_word(word: &str) -> Option<ControlAction> {
        match word {
            "pause" => Some(ControlAction::Pause),
            "cancel" => Some(ControlAction::Cancel),
            _ => None,
        }
    }

    /// Returns the action that leads to a state; `None` for one that works on.
    pub(crate) fn of(state: ProgressState) -> Option<ControlAction> {
        match state {
            ProgressState::Paused => Some(ControlAction::Pause),
            ProgressState::Cancelled => Some(ControlAction::Cancel),
            ProgressState::Running | ProgressState::Finished | ProgressState::RollingBack => None,
        }
    }

    /// Returns the state of the entry that records that the run took up the request.
    pub(crate) fn entry(self) -> State {
        match self {
            ControlAction::Pause => State::Paused,
            ControlAction::Cancel => State::Cancelled,
        }
    }

    /// Returns the state that the action leads to.
    pub fn state(self) -> ProgressState {
        match self {
            ControlAction::Pause => ProgressState::Paused,
            ControlAction::Cancel => ProgressState::Cancelled,
        }
    }
}

/// A request of an operator that the run has not taken up yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ControlRequest {
    /// What the operator asks for.
    pub action: ControlAction,
    /// The operator, if there is a name.
    pub operator: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// When it was asked, by the database's clock; `None` in a request to make.
    #[serde(
        serialize_with = "time::serialize_if_any",
        deserialize_with = "time::deserialize_if_any",
        default
    )]
    pub requested_at: Option<SystemTime>,
}

impl ControlRequest {
    /// Creates a request to make.
    pub fn new(
        action: ControlAction,
        operator: Option<String>,
        reason: impl Into<String>,
    ) -> ControlRequest {
        ControlRequest {
            action,
            operator,
            reason: Some(reason.into()),
            requested_at: None,
        }
    }
}

/// What operators have set for a change in batches: the run looks before each batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgressControl {
    /// Whether the change works, or an operator paused or cancelled it.
    pub state: ProgressState,
    /// The request that no run has taken up yet.
    pub request: Option<ControlRequest>,
    /// The pause between two batches, if an operator set one.
    #[serde(
        rename = "pause_ms",
        serialize_with = "time::milliseconds_if_any",
        deserialize_with = "time::milliseconds_if_any_back",
        default
    )]
    pub pause: Option<Duration>,
    /// The size of each batch, if an operator set one.
    pub size: Option<i64>,
}

impl ProgressControl {
    /// Creates the control of a change in this state, for which nothing is set.
    pub fn new(state: ProgressState) -> ProgressControl {
        ProgressControl {
            state,
            request: None,
            pause: None,
            size: None,
        }
    }
}

/// A change of what is set for a change in batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ControlChange {
    /// Asks the run; `None` withdraws the request.
    Request(Option<ControlRequest>),
    /// Sets the state, and removes the request for this action; another request stays.
    State {
        /// The state.
        state: ProgressState,
        /// The action that led to it.
        acted: Option<ControlAction>,
    },
    /// Sets how the batches are to be; `None` leaves that to the application.
    Tune {
        /// The pause between two batches.
        #[serde(
            rename = "pause_ms",
            serialize_with = "time::milliseconds_if_any",
            deserialize_with = "time::milliseconds_if_any_back",
            default
        )]
        pause: Option<Duration>,
        /// The size of each batch.
        size: Option<i64>,
    },
    /// Says why the run waits.
    Wait(Option<String>),
}
