//! The audit: the entries that record every attempt, and the [traits](AuditStore) of the stores
//! that keep them.
//!
//! A store of your own implements [`AuditStore`], [`LockStore`] and [`LeaseRenewer`], and is passed
//! to `Runner::new` in an `Arc`. It keeps an [`Entry::new`] of each [`NewEntry`], and a
//! [`LockStatus::new`] for each [`AcquireRequest`] that it grants.

#[cfg_attr(
    not(feature = "_sqlx"),
    expect(dead_code, reason = "what only databases use")
)]
pub(crate) mod attempt;
pub(crate) mod change_progress;
pub(crate) mod control;
pub(crate) mod entry;
pub(crate) mod grant;
pub(crate) mod json;
pub(crate) mod memory;
pub(crate) mod progress;
pub(crate) mod snapshot;
pub(crate) mod store;
pub(crate) mod store_error;
pub(crate) mod tables;

pub use self::change_progress::ChangeProgress;
pub use self::control::{
    ControlAction, ControlChange, ControlRequest, ProgressControl, ProgressState,
};
pub use self::entry::{Entry, Facts, LatestEntry, NewEntry, Origin, State, TransactionMode};
pub use self::grant::{AcquireRequest, LockGrant, STARTUP};
pub use self::progress::{BatchEnd, Progress, ProgressClaim};
pub use self::snapshot::{LockProgress, LockStatus, Snapshot};
pub use self::store::{Acquired, AuditStore, HistoryFilter, LeaseRenewer, LockStore, Store};
pub use self::store_error::{StoreError, StoreErrorKind};
pub use self::tables::TableNames;
pub use crate::change::definition::Recovery;
pub use crate::change::failed_row::FailedRow;
pub use crate::util::error_chain::ErrorChain;
