//! Notes: facts about a change that do not keep it from running.

use crate::audit::change_progress::ChangeProgress;
use crate::audit::entry::UNKNOWN_DIGEST;
use crate::util::error_chain::ErrorChain;
use crate::util::plural::plural;
use crate::util::visible::Visible;
use serde::Serialize;
use std::fmt;

/// A fact about a change that does not keep it from running, but that you should know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The change was edited after it was applied.
    Drifted {
        /// The digest of the applied version.
        applied: String,
    },
    /// The repeatable change is applied again, because it was edited after it was applied.
    Again {
        /// The digest of the applied version.
        applied: String,
    },
    /// The change is new, and its order is lower than that of an applied change.
    OutOfOrder {
        /// The applied change with the highest order in the stage.
        behind: String,
    },
    /// The transaction lost against a concurrent one, and the change ran again.
    Retried {
        /// How often that happened.
        times: u32,
    },
    /// The database committed before the change ended, so the change counts as non-transactional.
    CommittedMidway,
    /// The change was found applied: by an interrupted attempt, or outside Flamingock.
    FoundApplied,
    /// The last attempt, which is unfinished, reached this step.
    Reached {
        /// The step and its direction: `step 2 of 5`, `rolling back step 1 of 5`.
        step: String,
    },
    /// The change works in batches, and these are committed. Only in the report of
    /// [`Runner::plan`](crate::Runner::plan).
    Progress(Box<ChangeProgress>),
    /// It could not be read how far the change is. Only in the report of
    /// [`Runner::plan`](crate::Runner::plan).
    ProgressUnknown {
        /// Why.
        error: ErrorChain,
    },
    /// The run that has the lock is working on the change. Only in the report of
    /// [`Runner::plan`](crate::Runner::plan).
    Running,
    /// The change runs with session options that sqlx sets, although its folder's tool uses those
    /// of the server, because the server's own values cannot be read. Only in the report of
    /// [`Runner::plan`](crate::Runner::plan).
    SessionOptions {
        /// The names of the options.
        names: Vec<String>,
    },
    /// The change was applied and then undone. Only in the report of
    /// [`Runner::plan`](crate::Runner::plan).
    Undone,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Drifted { applied } => {
                write!(f, "edited after it was applied (applied as {})", Visible(applied))
            }
            Note::Again { applied } if applied == UNKNOWN_DIGEST => {
                f.write_str("again: it is not known which version of it was applied")
            }
            Note::Again { applied } => {
                write!(f, "again: it was edited after it was applied (applied as {})", Visible(applied))
            }
            Note::OutOfOrder { behind } => {
                write!(f, "out of order: {behind:?} is applied already")
            }
            Note::Retried { times } => {
                write!(f, "the database refused {} before", plural(*times, "conflicting transaction"))
            }
            Note::CommittedMidway => f.write_str(
                "the database committed before the change ended: it counts as one without transaction",
            ),
            Note::FoundApplied => {
                f.write_str("found applied: an interrupted attempt or an operator applied it")
            }
            Note::Reached { step } => write!(f, "the last attempt reached: {}", Visible(step)),
            Note::Progress(progress) => progress.fmt(f),
            Note::ProgressUnknown { error } => {
                write!(f, "its progress is not known: {}", Visible(&error.to_string()))
            }
            Note::Running => f.write_str("the run that has the lock is working on it"),
            Note::SessionOptions { names } => write!(
                f,
                "it runs with {} as sqlx sets it: the server's own can't be read without the right to read pg_file_settings",
                Visible(&names.join(" and "))
            ),
            Note::Undone => f.write_str("it was undone"),
        }
    }
}
