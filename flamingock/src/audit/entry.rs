//! The entries of the audit, and the states, transaction modes and origins that they record.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::grant::LockGrant;
use crate::change::definition::{Recovery, known_recovery};
use crate::util::error_chain::ErrorChain;
use crate::util::random::new_id;
use crate::util::time;

/// The digest of a change whose applied version is unknown.
pub(crate) const UNKNOWN_DIGEST: &str = "unknown";

/// Defines an enum that is stored as text. A text that a newer version wrote is kept as it is.
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
            /// Returns the text that the audit stores.
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

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok($name::from(&*String::deserialize(deserializer)?))
            }
        }
    };
}

words! {
    /// The state of a change that an entry records. The texts are those of Java Flamingock.
    State {
        /// An attempt began. Without a later entry, its effects are unknown.
        Started = "STARTED",
        /// The change is applied.
        Applied = "APPLIED",
        /// The attempt failed.
        Failed = "FAILED",
        /// The attempt was rolled back, or the change was undone.
        RolledBack = "ROLLED_BACK",
        /// The rollback failed.
        RollbackFailed = "ROLLBACK_FAILED",
        /// An operator marked the change as applied.
        MarkedApplied = "MANUAL_MARKED_AS_APPLIED",
        /// An operator marked the change as not applied.
        MarkedRolledBack = "MANUAL_MARKED_AS_ROLLED_BACK",
        /// A change in batches ended after a batch, because an operator paused it.
        Paused = "PAUSED",
        /// A change in batches ended after a batch, because an operator cancelled it.
        Cancelled = "CANCELLED",
        /// An operator resumed a change in batches: the next run continues.
        Resumed = "RESUMED",
        /// An operator released the lock of another owner. Such an entry concerns no change: its
        /// `change_id` is empty, which the id of a change cannot be.
        LockReleased = "MANUAL_LOCK_RELEASED",
    }
}

words! {
    /// How an attempt ran, which determines what it may have left behind.
    TransactionMode {
        /// Not in a transaction.
        None = "none",
        /// In one transaction with its audit entry.
        Shared = "shared",
        /// In a transaction of another database than that of the audit.
        Separate = "separate",
    }
}

words! {
    /// The source of an entry.
    Origin {
        /// A run.
        Run = "run",
        /// An undo.
        Undo = "undo",
        /// An operator.
        Operator = "operator",
        /// The history of another tool or service, by adoption.
        Import = "import",
        /// The answer of a `#[verify]` function.
        Verify = "verify",
    }
}

/// An entry to append.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewEntry {
    /// The number of the attempt at this change, from 1.
    pub attempt: u32,
    /// The change's stage.
    pub stage: String,
    /// The change's id; empty for an entry that concerns no change.
    pub change_id: String,
    /// The change's order.
    #[serde(rename = "order")]
    pub change_order: String,
    /// The change's author.
    pub author: String,
    /// The change's description.
    pub description: String,
    /// The change's target system.
    pub target: String,
    /// The state from this entry on.
    pub state: State,
    /// How the attempt ran.
    pub transaction_mode: TransactionMode,
    /// The change's recovery setting; `None` if the code is not known.
    #[serde(default, deserialize_with = "known_recovery")]
    pub recovery: Option<Recovery>,
    /// The source of the entry.
    pub origin: Origin,
    /// The digest of the change's code.
    pub digest: String,
    /// How long the attempt took; `None` while it is running.
    #[serde(
        rename = "duration_ms",
        serialize_with = "time::milliseconds_if_any",
        deserialize_with = "time::milliseconds_if_any_back",
        default
    )]
    pub duration: Option<Duration>,
    /// `file:line` of the change.
    pub location: String,
    /// The chain of causes, outermost first.
    pub error: Option<ErrorChain>,
    /// An operator's reason; in a run, the step that the attempt reached: `step 2 of 5`.
    pub reason: Option<String>,
    /// A random key of this entry. After a lost answer it shows whether the entry was written.
    pub idempotency_key: String,
    /// The host, the process, the operator and the metadata of the run.
    #[serde(flatten, with = "facts")]
    pub origin_facts: Arc<Facts>,
}

/// Serializes what the entries of a run share.
mod facts {
    use super::{Arc, Deserialize, Deserializer, Facts, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        facts: &Arc<Facts>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (**facts).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Facts>, D::Error> {
        Facts::deserialize(deserializer).map(Arc::new)
    }
}

impl NewEntry {
    /// Creates the entry of an attempt at a change, with a new idempotency key and nothing else: for
    /// the tests of a store. Set the other fields as needed.
    pub fn new(change_id: impl Into<String>, attempt: u32, state: State) -> NewEntry {
        NewEntry {
            attempt,
            stage: String::new(),
            change_id: change_id.into(),
            change_order: String::new(),
            author: String::new(),
            description: String::new(),
            target: String::new(),
            state,
            transaction_mode: TransactionMode::None,
            recovery: None,
            origin: Origin::Run,
            digest: String::new(),
            duration: None,
            location: String::new(),
            error: None,
            reason: None,
            idempotency_key: new_id(),
            origin_facts: Arc::default(),
        }
    }
}

/// The facts that every entry of a run shares.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// The name of the host.
    pub host: String,
    /// The id of the process.
    pub pid: u32,
    /// The operator, if there is one.
    pub operator: Option<String>,
    /// The application's version, if it is set.
    pub app_version: Option<String>,
    /// The run's metadata as a JSON object, if there is any.
    pub metadata: Option<String>,
}

/// An entry of the audit. `None` stands for a value that is not known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The position of the entry in the order of appending.
    pub seq: i64,
    /// The service that the entry belongs to.
    pub service: String,
    /// The id of the run that appended it.
    pub run_id: String,
    /// The fencing token of the owner that appended it.
    pub fencing_token: i64,
    /// The random key with which it was sent; `None` in tables of an older version.
    pub idempotency_key: Option<String>,
    /// The change's id; `None` for an entry that concerns the lock and no change.
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
    /// The number of the attempt at this change, from 1.
    pub attempt: u32,
    /// The state from this entry on.
    pub state: State,
    /// How the attempt ran.
    pub transaction_mode: TransactionMode,
    /// The change's recovery setting at that time.
    pub recovery: Option<Recovery>,
    /// The source of the entry.
    pub origin: Origin,
    /// The operator, if there was one.
    pub operator: Option<String>,
    /// When the attempt began, in microseconds, by the database's clock.
    pub started_at: SystemTime,
    /// When the attempt ended; `None` while it is running.
    pub finished_at: Option<SystemTime>,
    /// How long the attempt took; `None` while it is running.
    pub duration: Option<Duration>,
    /// The chain of causes, outermost first.
    pub error: Option<ErrorChain>,
    /// An operator's reason; in a run, the step that the attempt reached: `step 2 of 5`.
    pub reason: Option<String>,
    /// The name of the host.
    pub host: String,
    /// The id of the process.
    pub pid: u32,
    /// The application's version, if it was set.
    pub app_version: Option<String>,
    /// The run's metadata as a JSON object, if there is any.
    pub metadata: Option<String>,
}

impl Entry {
    /// Returns a sent entry in the form in which a store keeps it. `seq` is its position, which
    /// grows with each entry; the attempt began at the first time and ended at the second one, by
    /// the clock of the store.
    pub fn new(
        seq: i64,
        grant: &LockGrant,
        [started_at, ended_at]: [SystemTime; 2],
        sent: &NewEntry,
    ) -> Entry {
        Entry {
            seq,
            service: grant.service.clone(),
            run_id: grant.run_id.clone(),
            fencing_token: grant.fencing_token,
            idempotency_key: known(&sent.idempotency_key),
            change_id: known(&sent.change_id),
            stage: known(&sent.stage),
            change_order: known(&sent.change_order),
            target: known(&sent.target),
            author: known(&sent.author),
            description: known(&sent.description),
            location: known(&sent.location),
            digest: known(&sent.digest),
            attempt: sent.attempt,
            state: sent.state.clone(),
            transaction_mode: sent.transaction_mode.clone(),
            recovery: sent.recovery,
            origin: sent.origin.clone(),
            operator: sent.origin_facts.operator.clone(),
            started_at,
            finished_at: sent.duration.map(|_| ended_at),
            duration: sent.duration,
            error: sent.error.clone(),
            reason: sent.reason.clone(),
            host: sent.origin_facts.host.clone(),
            pid: sent.origin_facts.pid,
            app_version: sent.origin_facts.app_version.clone(),
            metadata: sent.origin_facts.metadata.clone(),
        }
    }

    /// Reports whether the entry concerns a change, and not the lock.
    pub fn is_of_a_change(&self) -> bool {
        self.change_id.is_some()
    }
}

/// Returns a text of the audit, or `None` if it is empty, which stands for unknown.
pub(crate) fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The latest entry of a change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LatestEntry {
    /// The change's id.
    pub change_id: String,
    /// The position of the entry in the order of appending.
    pub seq: i64,
    /// The state from this entry on.
    pub state: State,
    /// How that attempt ran.
    pub transaction_mode: TransactionMode,
    /// The source of the entry.
    pub origin: Origin,
    /// The digest of the code that ran.
    pub digest: String,
    /// The number of the attempt that the entry belongs to.
    pub attempt: u32,
    /// The run that appended it.
    pub run_id: String,
    /// The change's stage at that time.
    pub stage: String,
    /// The change's order at that time.
    #[serde(rename = "order")]
    pub change_order: String,
    /// The change's target system at that time.
    pub target: String,
    /// When the attempt began, by the database's clock.
    #[serde(
        serialize_with = "time::serialize",
        deserialize_with = "time::deserialize"
    )]
    pub started_at: SystemTime,
    /// The chain of causes, if the attempt failed.
    pub error: Option<ErrorChain>,
    /// The change's recovery setting at that time; `None` if it is not known.
    #[serde(default, deserialize_with = "known_recovery")]
    pub recovery: Option<Recovery>,
    /// An operator's reason, or the step that the attempt reached: `step 2 of 5`. `None` for an
    /// applied change.
    pub reason: Option<String>,
    /// The operator of that attempt, if there was one.
    pub operator: Option<String>,
}

impl From<&Entry> for LatestEntry {
    fn from(entry: &Entry) -> LatestEntry {
        LatestEntry {
            change_id: entry.change_id.clone().unwrap_or_default(),
            seq: entry.seq,
            state: entry.state.clone(),
            transaction_mode: entry.transaction_mode.clone(),
            origin: entry.origin.clone(),
            digest: entry.digest.clone().unwrap_or_default(),
            attempt: entry.attempt,
            run_id: entry.run_id.clone(),
            stage: entry.stage.clone().unwrap_or_default(),
            change_order: entry.change_order.clone().unwrap_or_default(),
            target: entry.target.clone().unwrap_or_default(),
            started_at: entry.started_at,
            error: entry.error.clone(),
            recovery: entry.recovery,
            reason: entry.reason.clone(),
            operator: entry.operator.clone(),
        }
    }
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
            "SUSPENDED",
        ] {
            assert_eq!(State::from(text).as_str(), text);
        }
        assert_eq!(
            State::from("SUSPENDED"),
            State::Unknown("SUSPENDED".to_owned())
        );
    }
}
