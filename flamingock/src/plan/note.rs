//! Notes: what somebody should see of a change, and what does not stop it.

use crate::util::plural::plural;
use crate::util::visible::Visible;
use serde::Serialize;
use std::fmt;

/// Something about a change that does not stop it, but that somebody should see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The code of an applied change is not the code that was applied.
    Drifted {
        /// The digest that was applied.
        applied: String,
    },
    /// It is applied again: it is not what was applied last.
    Again {
        /// The digest that was applied.
        applied: String,
    },
    /// It is new, and its order is below that of a change that is applied already.
    OutOfOrder {
        /// The applied change with the highest order of the stage.
        behind: String,
    },
    /// The database refused a transaction of it for another's sake and it ran again.
    Retried {
        /// How many times.
        times: u32,
    },
    /// The database committed the change before its end; it counts as one without transaction.
    CommittedMidway,
    /// An attempt that nobody saw end turned out to be applied.
    FoundApplied,
    /// The last attempt, which has not come to its end, came to this step.
    Reached {
        /// Which one, and what was done with it: `step 2 of 5`, `rolling back step 1 of 5`.
        step: String,
    },
    /// The run that has the lock is working at it. Only [`Runner::plan`](crate::Runner::plan) says
    /// so.
    Running,
    /// It runs under session options that sqlx sets, although its folder's tool has those of the server: the
    /// server's own can't be read. Only [`Runner::plan`](crate::Runner::plan) says so.
    SessionOptions {
        /// Which ones.
        names: Vec<String>,
    },
    /// It was applied and taken back. Only [`Runner::plan`](crate::Runner::plan) says so.
    Undone,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Drifted { applied } => {
                write!(f, "edited after it was applied (applied as {})", Visible(applied))
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
                f.write_str("found applied, by an attempt that was not seen to end or by another hand")
            }
            Note::Reached { step } => write!(f, "the last attempt came to: {}", Visible(step)),
            Note::Running => f.write_str("the run that has the lock is working at it"),
            Note::SessionOptions { names } => write!(
                f,
                "it runs with {} as sqlx sets it: the server's own can't be read without the right to read pg_file_settings",
                Visible(&names.join(" and "))
            ),
            Note::Undone => f.write_str("it was undone"),
        }
    }
}
