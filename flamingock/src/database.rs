//! A database in which changes run.

use std::any::TypeId;
use std::fmt;

use async_trait::async_trait;

use crate::argument::DatabaseKind;
use crate::attempt::{Attempt, Purpose};
use crate::audit::{StoreError, TransactionMode};
use crate::call::{Ended, Invocation};
use crate::change::{Body, BoxError};

/// How an attempt in one transaction with its audit entry ended.
#[derive(Debug)]
pub(crate) enum Transacted {
    /// Committed together with its entry. The mode is `none` where the database had committed
    /// midway.
    Done { mode: TransactionMode },
    /// Nothing ran and nothing is recorded.
    NotRun { cause: BoxError },
    /// The database undid everything; that is recorded unless `unrecorded` says why not.
    Undone { cause: BoxError, unrecorded: Option<StoreError> },
    /// Something stayed, although it ran in a transaction: the database, or the change itself, had
    /// ended the transaction. Recorded as failed, unless `unrecorded` says why not.
    LeftBehind { cause: BoxError, unrecorded: Option<StoreError> },
    /// The possession has moved. Nothing was committed after that, nothing was written.
    Lost { reason: String },
    /// The connection was lost while the transaction was committed, and it could not be found out
    /// in time whether it was.
    Unknown { cause: BoxError },
}

/// How a call on a connection without transaction ended.
#[derive(Debug)]
pub(crate) struct Called<T> {
    pub(crate) ended: Ended<T>,
    /// Whether nothing of the call is running at the server any more.
    pub(crate) at_rest: bool,
}


/// A database in which changes run. Implemented for pools of sqlx.
#[async_trait]
pub(crate) trait Database: fmt::Debug + Send + Sync {
    fn kind(&self) -> DatabaseKind;

    /// The type of its pool.
    fn pool_type(&self) -> TypeId;

    /// Whether a second connection would wait for a change that holds the first one: a change
    /// that asks for both is refused.
    fn is_single_writer(&self) -> bool;

    /// Runs a function in one transaction with its audit entry: the audit is in this database.
    /// Answers also how many tries lost against another transaction.
    async fn transact(
        &self,
        attempt: &Attempt<'_>,
        body: &'static Body<()>,
        invocation: &Invocation<'_>,
        purpose: Purpose,
    ) -> (Transacted, u32);

    /// Runs a change on a connection that commits each statement by itself.
    async fn call(&self, body: &'static Body<()>, invocation: &Invocation<'_>) -> Called<()>;

    /// Asks a probe, on a connection that commits each statement by itself.
    async fn ask(&self, body: &'static Body<bool>, invocation: &Invocation<'_>) -> Called<bool>;
}
