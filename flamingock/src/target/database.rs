//! The interface of a database in which changes run.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::invocation::{Ended, Invocation, was_stopped};
use super::settings::StorageSettings;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::change_progress::ChangeProgress;
use crate::audit::control::{ControlChange, ProgressControl};
use crate::audit::entry::TransactionMode;
use crate::audit::progress::{Progress, ProgressClaim};
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::change::batch::BatchState;
use crate::change::body::Body;
use crate::change::problem::Problem;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

/// Where the entry of a successful attempt is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AuditPlacement<'a> {
    /// In the transaction itself, because the audit is in this database.
    SameDatabase,
    /// In another database, after this one has committed. A marker in the transaction shows whether
    /// it was committed. `key` is unique among the attempts at the change.
    OtherDatabase { store: &'a dyn Store, key: i64 },
    /// Nowhere yet, because the transaction is a batch of the change: its cursor is saved in the
    /// transaction, in the progress of the change.
    Progress {
        store: &'a dyn Store,
        batch: &'a BatchState,
        /// Whether the audit is in this database.
        holds_audit: bool,
    },
}

/// What a marker shows about an interrupted attempt.
#[derive(Debug)]
pub(crate) enum MarkerOutcome {
    /// The attempt was committed.
    Applied,
    /// The attempt was not committed, and cannot be any more.
    NotApplied,
    /// The database committed a part of the attempt.
    LeftBehind,
    /// The transaction of the attempt is still open.
    StillOpen,
    /// The markers at the target system do not belong to this audit.
    Foreign(ForeignMarkers),
}

/// Markers of another audit, which say nothing about this one's attempts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForeignMarkers {
    /// The marker with the key of the attempt belongs to another run.
    #[error(
        "the target system has a marker of the run \"{run_id}\" in the place of this attempt's: another application without a name of its own works there, or one of the databases is a copy. Name the services apart, or look at what is applied there"
    )]
    OfAnotherRun {
        /// The run that the marker belongs to.
        run_id: String,
    },
    /// The table of markers does not exist, although it did when the attempt began.
    #[error(
        "the target system has no table `{table}` any more, although the attempt began when it was there: it is another database, or another state of it. Look at what is applied there"
    )]
    NoTable {
        /// The name of the table.
        table: String,
    },
}

/// How an attempt in a transaction ended.
#[derive(Debug)]
pub(crate) enum TransactionOutcome {
    /// It was committed, together with its entry if that is in the same database. The mode is
    /// `none` if the database had committed midway.
    Done { mode: TransactionMode },
    /// Nothing ran, and nothing was recorded.
    NotRun { cause: BoxError },
    /// The database rolled everything back. That was recorded, unless `unrecorded` has an error.
    RolledBack {
        cause: BoxError,
        unrecorded: Option<StoreError>,
    },
    /// Something was left behind, because the database or the change itself ended the transaction
    /// early. That was recorded as a failure, unless `unrecorded` has an error.
    LeftBehind {
        cause: BoxError,
        unrecorded: Option<StoreError>,
    },
    /// The lock has another owner. Nothing was committed or written after that.
    Lost { reason: String },
    /// The connection was lost during the commit, and the outcome could not be determined in time.
    Unknown { cause: BoxError },
}

impl TransactionOutcome {
    /// Reports whether it ended because the run was asked to stop.
    pub(crate) fn was_stopped(&self) -> bool {
        match self {
            TransactionOutcome::RolledBack { cause, .. }
            | TransactionOutcome::LeftBehind { cause, .. }
            | TransactionOutcome::NotRun { cause }
            | TransactionOutcome::Unknown { cause } => was_stopped(cause),
            TransactionOutcome::Done { .. } | TransactionOutcome::Lost { .. } => false,
        }
    }
}

/// How a call on a connection without a transaction ended.
#[derive(Debug)]
pub(crate) struct Called<T> {
    pub(crate) ended: Ended<T>,
    /// Whether the server is known to run nothing of the call any more.
    pub(crate) has_stopped: bool,
}

/// One of the changes that share a transaction.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) attempt: Attempt<'a>,
    pub(crate) body: &'static Body<()>,
    pub(crate) invocation: Invocation<'a>,
}

/// How one of the changes ended and how long it took; `None` if it was not reached.
pub(crate) type Ending = Option<(TransactionOutcome, Duration)>;

/// A database in which changes run. Implemented for the pools of sqlx.
#[async_trait]
pub(crate) trait Database: fmt::Debug + Send + Sync {
    fn kind(&self) -> DatabaseKind;

    /// Returns a value that identifies the pool: clones of one pool have the same.
    fn pool_identity(&self) -> usize;

    /// Returns the type of the pool.
    fn pool_type(&self) -> TypeId;

    /// Runs a statement without parameters, and returns every column of every row as text.
    async fn read(&self, statement: String) -> Result<Vec<Vec<Option<String>>>, StoreError>;

    /// Announces a change that runs soon, so that its connection can be opened meanwhile.
    fn expect(&self, body: &Body<()>);

    /// Returns the session options that a change gets from sqlx although it was written for another
    /// client. `None` if that cannot be determined.
    async fn options_of_sqlx(&self, body: &Body<()>) -> Option<Vec<String>>;

    /// Closes the connections that no change uses.
    fn release_cached(&self);

    /// Ends the sharing of a connection between files, because a change at another target runs: it may lead
    /// to the same server, and create code there that runs for the next file.
    fn end_sharing(&self);

    /// Returns a problem for each statement that would silently have no effect in the transactions
    /// of these changes.
    async fn without_effect(
        &self,
        bodies: &[&'static Body<()>],
    ) -> Result<Vec<Problem>, StoreError>;

    /// Returns the maximum number of connections of the pool.
    fn connections(&self) -> usize;

    /// Reports whether a second connection would wait for a change that uses the first one. A
    /// change that takes both is refused.
    fn is_single_writer(&self) -> bool;

    /// Tidies up between two batches, where the database does not do so by itself: on SQLite, copies
    /// what is in the write-ahead log to the file.
    async fn between_batches(&self);

    /// Returns the database with the runner's settings. The target system may have been created
    /// before they were known.
    fn configured(&self, settings: &StorageSettings) -> Arc<dyn Database>;

    /// Runs functions in one transaction. Their entries are part of it if the audit is in this
    /// database; otherwise there is exactly one function, and a marker. Calls `begins` with the
    /// index of each function that begins. Returns how each function ended, and how often the
    /// transaction lost against another one and was tried again.
    async fn transact(
        &self,
        parts: &[Part<'_>],
        purpose: Purpose,
        placement: AuditPlacement<'_>,
        begins: &(dyn Fn(usize) + Sync),
    ) -> (Vec<Ending>, u32);

    /// Makes this run the one that works on a change in batches, and returns the progress, which is
    /// in this database. `None` if there is none although the change does not begin anew.
    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError>;

    /// Returns how far the changes in batches of a service are that work in this database.
    async fn progress(&self, service: &str) -> Result<Vec<ChangeProgress>, StoreError>;

    /// Returns what operators have set for a change in batches, which is here; `None` if it has not
    /// begun.
    async fn control(
        &self,
        service: &str,
        change_id: &str,
    ) -> Result<Option<ProgressControl>, StoreError>;

    /// Changes what is set for a change in batches that has begun and is not finished.
    async fn change_control(
        &self,
        service: &str,
        change_id: &str,
        change: &ControlChange,
    ) -> Result<(), StoreError>;

    /// Creates the table of markers if it is missing.
    async fn prepare_markers(&self) -> Result<(), StoreError>;

    /// Determines the outcome of an interrupted attempt, and makes sure that it cannot change any
    /// more. `run_id` is the run of that attempt.
    async fn resolve(
        &self,
        attempt: &Attempt<'_>,
        key: i64,
        run_id: &str,
    ) -> Result<MarkerOutcome, StoreError>;

    /// Deletes a marker that is no longer needed. A marker that cannot be deleted is harmless.
    async fn unmark(&self, attempt: &Attempt<'_>, key: i64);

    /// Runs a change on a connection that commits each statement by itself.
    async fn call(&self, body: &'static Body<()>, invocation: &Invocation<'_>) -> Called<()>;

    /// Calls a verify function, on a connection that commits each statement by itself.
    async fn ask(&self, body: &'static Body<bool>, invocation: &Invocation<'_>) -> Called<bool>;

    /// Fails if the server is another product than those on which tests prove the guarantees, or
    /// takes no writes.
    #[cfg(feature = "cli")]
    async fn check_fitness(&self) -> Result<(), StoreError>;

    /// Reports whether a pooler runs the statements of one connection in different sessions of the
    /// server. Asks the database the first time.
    async fn is_behind_pooler(&self) -> bool;
}
