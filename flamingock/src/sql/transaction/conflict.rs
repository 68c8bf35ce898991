//! Detecting whether a change failed because its own transaction lost a conflict.

use flamingock_sqlx_audit::{Conn, Failure};

use super::tries::TransactionFate;
use crate::sql::driver::{Driver, send};
use crate::util::boxed::BoxError;
use crate::util::error_chain::Scrubbed;

/// The source of a change's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorSource {
    /// The function returned it. It may be from another database.
    Function,
    /// This database rejected a statement of a file.
    Script,
    /// The function was dropped before its end.
    Stopped,
}

/// The warnings of the last statement on a connection, on databases that report them.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    count: i64,
    codes: Vec<i64>,
}

/// MariaDB, MySQL: "Some non-transactional changed tables couldn't be rolled back".
const NOT_ROLLED_BACK: i64 = 1196;

/// A changed record, a lock wait timeout, a deadlock.
const CONFLICTS: [i64; 3] = [1020, 1205, 1213];

impl Warnings {
    pub(super) async fn of<D: Driver>(connection: &mut Conn<D>) -> Result<Warnings, sqlx::Error> {
        let Some(query) = D::WARNINGS else {
            return Ok(Warnings::default());
        };
        let answer = send::<D>(connection, query.to_owned()).await?;
        let mut rows = answer.rows.iter();
        let count = rows.next().map_or(Ok(None), |row| row.int(0))?;
        let codes = rows.map(|row| row.int(1)).collect::<Result<Vec<_>, _>>()?;
        Ok(Warnings {
            count: count.unwrap_or_default(),
            codes: codes.into_iter().flatten().collect(),
        })
    }

    /// Reports whether the rollback by this statement was incomplete.
    pub(super) fn show_remains(&self) -> bool {
        self.codes.contains(&NOT_ROLLED_BACK)
    }

    /// Reports the same of a `ROLLBACK`, which has no other warnings. A session may be set to hide
    /// its warnings; then only their number is known.
    pub(super) fn show_remains_after_rollback(&self) -> bool {
        self.show_remains() || self.count > 0 && self.codes.is_empty()
    }
}

/// Reports whether a change that ended with this error lost a conflict with another transaction of
/// its own database.
pub(super) fn is_own_conflict<D: Driver>(
    source: ErrorSource,
    fate: TransactionFate,
    warnings: &Warnings,
    cause: &BoxError,
) -> bool {
    let has_lost = match (source, fate) {
        (ErrorSource::Script, TransactionFate::Open | TransactionFate::Aborted | TransactionFate::RolledBackMidway)
        // Whatever the function returned, the database rejected a statement of it.
        | (ErrorSource::Function, TransactionFate::Aborted | TransactionFate::RolledBackMidway) => true,
        // Only the statement was rolled back, and it was the last one on this connection.
        (ErrorSource::Function, TransactionFate::Open) => {
            warnings.codes.iter().any(|code| CONFLICTS.contains(code))
        }
        (ErrorSource::Stopped, _) | (_, TransactionFate::CommittedMidway | TransactionFate::Ended) => false,
    };
    has_lost && is_conflict::<D>(cause)
}

/// Reports whether the error, or a cause of it, is a conflict with another transaction or a timeout
/// of a wait for its lock.
fn is_conflict<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| {
        let failure = D::classify(error);
        failure.is_conflict() || failure == Failure::LockTimeout
    })
}

/// Reports whether the database may have rolled back the whole transaction because of this error.
pub(super) fn may_roll_back_all<D: Driver>(source: ErrorSource, error: &BoxError) -> bool {
    // SQLite does that for an interrupted statement.
    source == ErrorSource::Stopped || database_errors(error).any(|error| D::may_undo_all(error))
}

/// Reports whether the error of the function, or a cause of it, is from a read-only server.
pub(super) fn is_read_only<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| D::classify(error) == Failure::ReadOnly)
}

/// Returns the errors of sqlx in a chain of causes.
fn database_errors(error: &BoxError) -> impl Iterator<Item = &sqlx::Error> {
    let first: &(dyn std::error::Error + 'static) = &**error;
    std::iter::successors(Some(first), |error| {
        match error.downcast_ref::<Scrubbed>() {
            Some(scrubbed) => Some(scrubbed.inner()),
            None => error.source(),
        }
    })
    .filter_map(|error| error.downcast_ref())
}
