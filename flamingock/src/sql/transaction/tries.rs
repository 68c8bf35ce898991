//! The changes that share a transaction, and the outcomes of one try.

use std::time::Duration;

use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::{Marker, NewAuditRow, ProgressOwner};

use super::blocker::Blocker;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::store::Store;
use crate::sql::cancel::TransactionSession;
use crate::sql::connection::GuardedConnection;
use crate::sql::database::SqlDatabase;
use crate::sql::driver::Driver;
use crate::target::database::{AuditPlacement, Part, TransactionOutcome};
use crate::util::boxed::BoxError;

/// Changes that share a transaction, and everything that is the same for each try.
pub(crate) struct TransactionRunner<'a, D: Driver> {
    pub(crate) database: &'a SqlDatabase<D>,
    pub(crate) placement: AuditPlacement<'a>,
    /// The audit's store, which records everything but a success in another database.
    pub(crate) store: &'a dyn Store,
    /// The length of the lease, if the audit is in this database and its lock has a lease.
    pub(crate) lease: Option<Duration>,
    pub(crate) parts: &'a [Part<'a>],
    pub(crate) purpose: Purpose,
    /// Is called with the index of each change that begins.
    pub(crate) on_begin: &'a (dyn Fn(usize) + Sync),
}

/// One try at the changes that are not committed yet.
pub(super) struct TryContext<'a> {
    /// The index of the first of these changes.
    pub(super) first: usize,
    pub(super) tag: String,
    pub(super) grant: sqlx_audit::LockGrant,
    pub(super) is_last: bool,
    /// The session that last blocked this try.
    pub(super) blocker: Blocker,
    /// Whether to wait for the new primary if the server is read-only.
    pub(super) waits_for_writer: bool,
    /// The attempts at all changes, with the times of this try.
    pub(super) attempts: Vec<Attempt<'a>>,
    /// The STARTED entries of the changes, which serve as witnesses.
    pub(super) started_rows: Vec<NewAuditRow>,
    pub(super) marker: Marker,
    /// The mark of the session, if the transaction has no witness because its script cannot commit.
    pub(super) session_mark: Option<String>,
}

impl TryContext<'_> {
    /// Returns who works on a change in batches.
    pub(super) fn progress_owner(&self, holds_lock: bool) -> ProgressOwner<'_> {
        let attempt = &self.attempts[self.first];
        ProgressOwner {
            grant: &self.grant,
            change_id: attempt.definition.id,
            attempt: i64::from(attempt.number),
            digest: &attempt.digest,
            app_version: attempt.facts.app_version.as_deref(),
            holds_lock,
        }
    }

    /// Returns the session of the transaction, as another connection finds it.
    pub(super) fn session(&self, at: usize) -> TransactionSession<'_> {
        TransactionSession {
            grant: &self.grant,
            attempt: &self.attempts[at],
            tag: &self.tag,
            mark: self.session_mark.as_deref(),
        }
    }
}

/// The connection of a try, whose transaction is open, and the change that the transaction reached.
pub(super) struct OpenTransaction<'a, D: Driver> {
    pub(super) connection: GuardedConnection<D>,
    pub(super) context: &'a TryContext<'a>,
    pub(super) at: usize,
}

/// The outcome of one try.
pub(super) enum TryOutcome {
    /// The outcomes from the first change of the try on. Later changes were not reached.
    Ended(Vec<TransactionOutcome>),
    /// The database committed midway in this change, which then ran to its end. This change and
    /// those before it are applied.
    CommittedMidway(usize),
    /// The transaction lost a conflict, and nothing of it is left.
    Conflict(BoxError),
    /// Nothing has begun, because the connection was dead already.
    NotBegun,
    /// The server is read-only, and nothing of the transaction is left.
    NoWriter(BoxError),
}

/// The state of the transaction after a function ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransactionFate {
    /// The transaction is open.
    Open,
    /// The transaction is open, and the database rejects every statement in it.
    Aborted,
    /// The database has committed it.
    CommittedMidway,
    /// The database has rolled it back.
    RolledBackMidway,
    /// It was ended by the change or by the database.
    Ended,
}

/// The first change could not begin.
pub(super) fn not_run(cause: BoxError) -> TryOutcome {
    TryOutcome::Ended(vec![TransactionOutcome::NotRun { cause }])
}

/// The lock got another owner while this change ran.
pub(super) fn lock_lost(context: &TryContext<'_>, at: usize) -> TryOutcome {
    lock_lost_because(context, at, &lock_lost_reason())
}

pub(super) fn lock_lost_because(context: &TryContext<'_>, at: usize, reason: &str) -> TryOutcome {
    let lost = |_| TransactionOutcome::Lost {
        reason: reason.to_owned(),
    };
    TryOutcome::Ended((context.first..=at).map(lost).collect())
}

/// The lock has another owner: nothing more is written.
pub(super) struct LockLost;

pub(super) fn lock_lost_reason() -> String {
    "the lock has another owner: the database refused the entry".to_owned()
}
