//! The changes that share a transaction, and how a try of it ends.

use super::blocker::Blocker;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::store::Store;
use crate::sql::database::SqlDatabase;
use crate::sql::driver::Driver;
use crate::sql::store::SqlStore;
use crate::sql::timing::LANE;
use crate::target::database::{Part, Transacted};
use crate::util::boxed::BoxError;
use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Marker, NewAuditRow};

/// Changes that share a transaction: everything that is the same for each of its tries.
pub(crate) struct Transact<'a, D: Driver> {
    pub(crate) database: &'a SqlDatabase<D>,
    pub(crate) entry: SuccessEntry<'a, D>,
    pub(crate) parts: &'a [Part<'a>],
    pub(crate) purpose: Purpose,
    /// Is told which change begins.
    pub(crate) begins: &'a (dyn Fn(usize) + Sync),
}

/// Where the entry of success is written.
pub(crate) enum SuccessEntry<'a, D: Driver> {
    /// In the transaction itself.
    Here(&'a SqlStore<D>),
    /// In another database, by the caller; a marker with this key stands for it here. The change is the
    /// only one of its transaction.
    Elsewhere { store: &'a dyn Store, key: i64 },
}

/// One try at those that are not committed yet.
pub(super) struct Try<'a> {
    /// The first of them.
    pub(super) first: usize,
    pub(super) tag: String,
    pub(super) grant: leaf::LockGrant,
    pub(super) last: bool,
    /// Whom it was seen waiting for.
    pub(super) blocker: Blocker,
    /// Whether the next writer is waited for where the server takes no writes.
    pub(super) waits: bool,
    /// Of all changes, with the times of this try.
    pub(super) attempts: Vec<Attempt<'a>>,
    /// What the witnesses of the changes say, where they are entries.
    pub(super) started: Vec<NewAuditRow>,
    pub(super) marker: Marker,
}

/// How one try ended.
pub(super) enum Tried {
    /// The outcomes from its first change on; the changes behind these were not reached.
    Ended(Vec<Transacted>),
    /// The database committed in the middle of this change, which went on to its end: it and all
    /// before it are applied.
    CommittedMidway(usize),
    /// The transaction lost against another one, and nothing of it is left.
    Conflict(BoxError),
    /// Nothing has begun: the connection was dead already.
    NotBegun,
    /// The server takes no writes, and nothing of the transaction is left.
    NoWriter(BoxError),
}

/// What became of the transaction while a function ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It is the one that was begun.
    Whole,
    /// It is the one that was begun, and the database refuses everything in it.
    Aborted,
    /// The database has committed it.
    CommittedMidway,
    /// The database has rolled it back.
    RolledBackMidway,
    /// It was ended, by the change or by the database.
    Ended,
}

/// The first of them could not begin.
pub(super) fn not_run(cause: BoxError) -> Tried {
    Tried::Ended(vec![Transacted::NotRun { cause }])
}

/// The lock has another owner while this change ran.
pub(super) fn lost(one: &Try<'_>, at: usize) -> Tried {
    all_lost(one, at, &crate::sql::transaction::batch::moved())
}

pub(super) fn all_lost(one: &Try<'_>, at: usize, reason: &str) -> Tried {
    let lost = |_| Transacted::Lost {
        reason: reason.to_owned(),
    };
    Tried::Ended((one.first..=at).map(lost).collect())
}

/// The lock is another's: nothing more is written.
pub(super) struct Moved;

pub(super) fn moved() -> String {
    format!("the lock ({LANE}) has another owner: the database refused the entry")
}
