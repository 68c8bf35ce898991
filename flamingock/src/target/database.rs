//! A database in which changes run.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::invocation::{Ended, Invocation, was_stopped};
use super::settings::StorageSettings;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::entry::TransactionMode;
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::change::body::Body;
use crate::change::problem::Problem;
use crate::util::boxed::BoxError;
use crate::util::database_kind::DatabaseKind;

/// Where the entry of an attempt's success is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Books<'a> {
    /// In the transaction itself: the audit is in this database.
    Here,
    /// In another database, once this one has committed: a marker in the transaction tells whether
    /// it has. `key` is a number that no other attempt at the change uses.
    Elsewhere { store: &'a dyn Store, key: i64 },
}

/// What a marker says of an attempt that nobody saw end.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// It was committed.
    Applied,
    /// It was not, and cannot be any more.
    NotApplied,
    /// The database has committed a part of it.
    LeftBehind,
    /// Its transaction is still open.
    StillOpen,
    /// The markers there are not this audit's.
    Foreign(ForeignMarkers),
}

/// A target system whose markers are not this audit's: nothing that they say can be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForeignMarkers {
    /// A marker with the key of an attempt is another run's.
    #[error(
        "the target system has a marker of the run \"{run_id}\" in the place of this attempt's: another application without a name of its own works there, or one of the databases is a copy. Name the services apart, or look at what is applied there"
    )]
    OfAnotherRun {
        /// Whose marker it is.
        run_id: String,
    },
    /// There is no table of markers, although the attempt began after it was created.
    #[error(
        "the target system has no table `{table}` any more, although the attempt began when it was there: it is another database, or another state of it. Look at what is applied there"
    )]
    NoTable {
        /// Its name.
        table: String,
    },
}

/// How an attempt in a transaction ended.
#[derive(Debug)]
pub(crate) enum Transacted {
    /// Committed, together with its entry where that is in the same database. The mode is `none` where the database had committed
    /// midway.
    Done { mode: TransactionMode },
    /// Nothing ran and nothing is recorded.
    NotRun { cause: BoxError },
    /// The database undid everything; that is recorded unless `unrecorded` says why not.
    Undone {
        cause: BoxError,
        unrecorded: Option<StoreError>,
    },
    /// Something stayed, although it ran in a transaction: the database, or the change itself, had
    /// ended the transaction. Recorded as failed, unless `unrecorded` says why not.
    LeftBehind {
        cause: BoxError,
        unrecorded: Option<StoreError>,
    },
    /// The lock has another owner. Nothing was committed after that, nothing was written.
    Lost { reason: String },
    /// The connection was lost while the transaction was committed, and it could not be found out
    /// in time whether it was.
    Unknown { cause: BoxError },
}

impl Transacted {
    /// Whether it ended because the run was asked to stop.
    pub(crate) fn was_stopped(&self) -> bool {
        match self {
            Transacted::Undone { cause, .. }
            | Transacted::LeftBehind { cause, .. }
            | Transacted::NotRun { cause }
            | Transacted::Unknown { cause } => was_stopped(cause),
            Transacted::Done { .. } | Transacted::Lost { .. } => false,
        }
    }
}

/// How a call on a connection without transaction ended.
#[derive(Debug)]
pub(crate) struct Called<T> {
    pub(crate) ended: Ended<T>,
    /// Whether nothing of the call is running at the server any more.
    pub(crate) at_rest: bool,
}

/// One of the changes that share a transaction.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) attempt: Attempt<'a>,
    pub(crate) body: &'static Body<()>,
    pub(crate) invocation: Invocation<'a>,
}

/// How one of them ended, and how long it took; none where it was not reached.
pub(crate) type Ending = Option<(Transacted, Duration)>;

/// A database in which changes run. Implemented for pools of sqlx.
#[async_trait]
pub(crate) trait Database: fmt::Debug + Send + Sync {
    fn kind(&self) -> DatabaseKind;

    /// Tells pools apart: clones of one pool have the same.
    fn pool_identity(&self) -> usize;

    /// The type of its pool.
    fn pool_type(&self) -> TypeId;

    /// Reads by a statement of ours that has no values: the columns of every row as text.
    async fn read(&self, statement: String) -> Result<Vec<Vec<Option<String>>>, StoreError>;

    /// Says that a change comes soon, so that its connection can be opened meanwhile.
    fn expect(&self, body: &Body<()>);

    /// The session options that a change gets from sqlx although it was written for another client. None where
    /// that can't be asked.
    async fn options_of_sqlx(&self, body: &Body<()>) -> Option<Vec<String>>;

    /// Closes the connections that no change is working on.
    fn let_go(&self);

    /// What would do nothing in the transactions of these changes, without an error.
    async fn without_effect(
        &self,
        bodies: &[&'static Body<()>],
    ) -> Result<Vec<Problem>, StoreError>;

    /// How many connections its pool may have.
    fn connections(&self) -> usize;

    /// Whether a second connection would wait for a change that holds the first one: a change
    /// that asks for both is refused.
    fn is_single_writer(&self) -> bool;

    /// The same with the runner's settings, for a target that was made before they were known.
    fn configured(&self, settings: &StorageSettings) -> Arc<dyn Database>;

    /// Runs functions in one transaction, with their entries in it where the audit is in this database;
    /// else with a marker, and then there is one of them. `begins` is told which one begins. Answers how
    /// each ended, and how many tries lost against another transaction.
    async fn transact(
        &self,
        parts: &[Part<'_>],
        purpose: Purpose,
        books: Books<'_>,
        begins: &(dyn Fn(usize) + Sync),
    ) -> (Vec<Ending>, u32);

    /// Sees to it that markers can be written.
    async fn prepare_markers(&self) -> Result<(), StoreError>;

    /// Finds out what became of an attempt that nobody saw end, and sees to it that it stays so.
    /// `run_id` is that of the run whose attempt it was.
    async fn resolve(
        &self,
        attempt: &Attempt<'_>,
        key: i64,
        run_id: &str,
    ) -> Result<Resolved, StoreError>;

    /// Removes a marker that has done its work. One that stays does no harm.
    async fn unmark(&self, attempt: &Attempt<'_>, key: i64);

    /// Runs a change on a connection that commits each statement by itself.
    async fn call(&self, body: &'static Body<()>, invocation: &Invocation<'_>) -> Called<()>;

    /// Asks a probe, on a connection that commits each statement by itself.
    async fn ask(&self, body: &'static Body<bool>, invocation: &Invocation<'_>) -> Called<bool>;

    /// Whether a pooler answers the statements of one connection by different sessions of the server.
    /// Asks the database the first time.
    async fn hands_on_sessions(&self) -> bool;
}
