//! The entries of the audit, and the words in them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::change::definition::Recovery;
use crate::util::error_chain::ErrorChain;

/// A word that is written to the audit; what a newer version wrote is kept as it is.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A text that this version does not know.
            Unknown(String),
        }

        impl $name {
            /// The text, as it stands in the audit.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)+
                    $name::Unknown(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => $name::$variant,)+
                    _ => $name::Unknown(text.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// What an entry says of its change. The texts are Java Flamingock's.
    State {
        /// An attempt began; it may have left anything behind.
        Started = "STARTED",
        /// The change is applied.
        Applied = "APPLIED",
        /// The attempt failed.
        Failed = "FAILED",
        /// What the attempt did is undone.
        RolledBack = "ROLLED_BACK",
        /// What the attempt did could not be undone.
        RollbackFailed = "ROLLBACK_FAILED",
        /// An operator says that it is applied.
        MarkedApplied = "MANUAL_MARKED_AS_APPLIED",
        /// An operator says that it is not applied.
        MarkedRolledBack = "MANUAL_MARKED_AS_ROLLED_BACK",
        /// An operator took the lock from its owner. Such an entry is about no change: its id is
        /// empty, which that of a change cannot be.
        LockReleased = "MANUAL_LOCK_RELEASED",
    }
}

words! {
    /// How an attempt ran, and so what it may have left behind.
    TransactionMode {
        /// Without a transaction.
        None = "none",
        /// In one transaction with its audit entry.
        Shared = "shared",
        /// In a transaction of another database than the audit's.
        Separate = "separate",
    }
}

words! {
    /// Who appended an entry.
    Origin {
        /// A run.
        Run = "run",
        /// An undo.
        Undo = "undo",
        /// An operator.
        Operator = "operator",
        /// The history of another tool or service.
        Import = "import",
        /// A `#[verify]` function.
        Verify = "verify",
    }
}

/// An entry to append.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewEntry {
    /// Counts the runs that started the change, from 1.
    pub attempt: u32,
    /// The change's stage.
    pub stage: String,
    /// The change's id; empty for an entry that is about no change.
    pub change_id: String,
    /// The change's order.
    pub change_order: String,
    /// The change's author.
    pub author: String,
    /// The change's description.
    pub description: String,
    /// The change's target system.
    pub target: String,
    /// What is so from now on.
    pub state: State,
    /// How the attempt ran.
    pub transaction_mode: TransactionMode,
    /// What the code says about recovery; none where the code is not known.
    pub recovery: Option<Recovery>,
    /// Who appends it.
    pub origin: Origin,
    /// The digest of the change's code.
    pub digest: String,
    /// How long the attempt took; none while it is running.
    pub duration: Option<Duration>,
    /// `file:line` of the change.
    pub location: String,
    /// The chain of causes, outermost first.
    pub error: Option<ErrorChain>,
    /// An operator's reason; in a run, the step that the attempt came to: `step 2 of 5`.
    pub reason: Option<String>,
    /// Random, and the entry's own: tells whether an entry was written whose answer was lost.
    pub idempotency_key: String,
    /// The machine, the process, the operator and the run's metadata.
    pub origin_facts: Arc<Facts>,
}

/// What is the same for every entry of a run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Facts {
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The person who asked for it, if that is known.
    pub operator: Option<String>,
    /// The application's version, if it gave one.
    pub app_version: Option<String>,
    /// The run's metadata as a JSON object, if there is any.
    pub metadata: Option<String>,
}

/// An entry as it was appended. What is not known is `None`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its place in the order of appending.
    pub seq: i64,
    /// The service.
    pub service: String,
    /// The run.
    pub run_id: String,
    /// The fencing token of the owner that appended it.
    pub fencing_token: i64,
    /// The random key that it was sent with; none for entries of tables that an older version made.
    pub idempotency_key: Option<String>,
    /// The change's id; none for an entry that is about no change, but about the lock.
    pub change_id: Option<String>,
    /// The change's stage.
    pub stage: Option<String>,
    /// The change's order.
    pub change_order: Option<String>,
    /// The change's target system.
    pub target: Option<String>,
    /// The change's author.
    pub author: Option<String>,
    /// The change's description.
    pub description: Option<String>,
    /// `file:line` of the change.
    pub location: Option<String>,
    /// The digest of the change's code.
    pub digest: Option<String>,
    /// Counts the runs that started the change, from 1.
    pub attempt: u32,
    /// What is so since.
    pub state: State,
    /// How the attempt ran.
    pub transaction_mode: TransactionMode,
    /// What the code said about recovery.
    pub recovery: Option<Recovery>,
    /// Who appended it.
    pub origin: Origin,
    /// The person who asked for it, if that is known.
    pub operator: Option<String>,
    /// When the attempt began, to the microsecond, by the clock of the database.
    pub started_at: SystemTime,
    /// When it ended; none while it is running.
    pub finished_at: Option<SystemTime>,
    /// How long the attempt took; none while it is running.
    pub duration: Option<Duration>,
    /// The chain of causes, outermost first.
    pub error: Option<ErrorChain>,
    /// An operator's reason; in a run, the step that the attempt came to: `step 2 of 5`.
    pub reason: Option<String>,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The application's version, if it gave one.
    pub app_version: Option<String>,
    /// The run's metadata as a JSON object, if there is any.
    pub metadata: Option<String>,
}

impl Entry {
    /// Whether it is about a change, and not about the lock.
    pub fn is_of_a_change(&self) -> bool {
        self.change_id.is_some()
    }
}

/// A text of the audit; an empty one says nothing.
pub(crate) fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The newest entry of a change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LatestEntry {
    /// The change's id.
    pub change_id: String,
    /// The entry's place in the order of appending.
    pub seq: i64,
    /// What is so since.
    pub state: State,
    /// How that attempt ran.
    pub transaction_mode: TransactionMode,
    /// Who appended it.
    pub origin: Origin,
    /// The digest of the code that ran.
    pub digest: String,
    /// The attempt that the entry belongs to.
    pub attempt: u32,
    /// The run that appended it.
    pub run_id: String,
    /// The change's stage then.
    pub stage: String,
    /// The change's order then.
    pub change_order: String,
    /// The change's target then.
    pub target: String,
    /// When the attempt began, by the clock of the database.
    pub started_at: SystemTime,
    /// The chain of causes, if the attempt failed.
    pub error: Option<ErrorChain>,
    /// What the code said about recovery then; none where that is not known.
    pub recovery: Option<Recovery>,
    /// An operator's reason, or how far the attempt came: `step 2 of 5`. None for one that is applied.
    pub reason: Option<String>,
    /// The person who asked for that attempt, if that is known.
    pub operator: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_unknown_ones_are_kept() {
        for text in [
            "STARTED",
            "ROLLBACK_FAILED",
            "MANUAL_MARKED_AS_APPLIED",
            "PAUSED",
        ] {
            assert_eq!(State::from(text).as_str(), text);
        }
        assert_eq!(State::from("PAUSED"), State::Unknown("PAUSED".to_owned()));
    }
}
