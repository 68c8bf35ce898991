//! Whether a change failed since its own transaction lost against another one.

use flamingock_sqlx_audit::{Conn, Failure};

use super::batch::Afterwards;
use crate::sql::driver::{Driver, send};
use crate::util::boxed::BoxError;
use crate::util::error_chain::Scrubbed;

/// Where the error of a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whence {
    /// The function returned it: it may be another database's.
    Function,
    /// This database refused a statement of a file.
    Text,
    /// The run did not wait for the function's end.
    Stopped,
}

/// What the database has to say of the last statement on a connection, where it says anything.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    count: i64,
    codes: Vec<i64>,
}

/// MariaDB, MySQL: "Some non-transactional changed tables couldn't be rolled back".
const NOT_ROLLED_BACK: i64 = 1196;

/// A record that has changed, a lock that was waited for too long, a deadlock.
const CONFLICTS: [i64; 3] = [1020, 1205, 1213];

impl Remarks {
    pub(super) async fn of<D: Driver>(connection: &mut Conn<D>) -> Result<Remarks, sqlx::Error> {
        let Some(query) = D::REMARKS else {
            return Ok(Remarks::default());
        };
        let answer = send::<D>(connection, query.to_owned()).await?;
        let mut rows = answer.rows.iter();
        let count = rows.next().map_or(Ok(None), |row| row.int(0))?;
        let codes = rows.map(|row| row.int(1)).collect::<Result<Vec<_>, _>>()?;
        Ok(Remarks {
            count: count.unwrap_or_default(),
            codes: codes.into_iter().flatten().collect(),
        })
    }

    /// Whether something stays of the transaction that the statement rolled back.
    pub(super) fn tell_of_remains(&self) -> bool {
        self.codes.contains(&NOT_ROLLED_BACK)
    }

    /// The same of a ROLLBACK, which has nothing else to say. A session may be set to keep to itself what
    /// it has to say, and tells only how much it is.
    pub(super) fn tell_of_remains_of_rollback(&self) -> bool {
        self.tell_of_remains() || self.count > 0 && self.codes.is_empty()
    }
}

/// Whether a change that ended with this error lost against another transaction of its own database.
pub(super) fn is_own_conflict<D: Driver>(
    whence: Whence,
    afterwards: Afterwards,
    remarks: &Remarks,
    cause: &BoxError,
) -> bool {
    let has_lost = match (whence, afterwards) {
        (Whence::Text, Afterwards::Whole | Afterwards::Aborted | Afterwards::RolledBackMidway)
        // Whatever the function returned, the database has refused something of it.
        | (Whence::Function, Afterwards::Aborted | Afterwards::RolledBackMidway) => true,
        // Only the statement is undone: it was the last one on this connection.
        (Whence::Function, Afterwards::Whole) => {
            remarks.codes.iter().any(|code| CONFLICTS.contains(code))
        }
        (Whence::Stopped, _) | (_, Afterwards::CommittedMidway | Afterwards::Ended) => false,
    };
    has_lost && is_conflict::<D>(cause)
}

/// Whether the error is, or was caused by, the database's refusal of a transaction for another's sake: it
/// conflicts, or has waited too long for another's lock.
fn is_conflict<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| {
        let failure = D::classify(error);
        failure.is_conflict() || failure == Failure::LockTimeout
    })
}

/// Whether it may have been the refusal of a statement that undid the whole transaction.
pub(super) fn may_undo_all<D: Driver>(whence: Whence, error: &BoxError) -> bool {
    // A statement that is interrupted does.
    whence == Whence::Stopped || database_errors(error).any(|error| D::may_undo_all(error))
}

/// Whether the error that the function returned is, or was caused by, a server that takes no writes.
pub(super) fn is_read_only<D: Driver>(error: &BoxError) -> bool {
    database_errors(error).any(|error| D::classify(error) == Failure::ReadOnly)
}

/// The errors of the driver in a chain of causes.
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
