//! Running a change on a connection that commits each statement by itself.

use flamingock_sqlx_audit::Failure;

use super::cancel::cancel_marked;
use super::connection::{GuardedConnection, wait_until_idle};
use super::database::SqlDatabase;
use super::driver::{Driver, has_open_transaction, mark_session, send};
use super::integrity_mode::IntegrityMode;
use super::invalid_indexes::InvalidIndexes;
use crate::change::body::Body;
use crate::change::script::Script;
use crate::target::database::Called;
use crate::target::invocation::{Ended, Invocation, Limits};
use crate::util::boxed::BoxError;

const LEFT_OPEN: &str = "the change left a transaction open: nothing that it did in it is kept. Commit it in the change";

/// Calls a function on a connection of its own, and makes sure that no statement or transaction of
/// it is left open.
pub(super) async fn call<D: Driver, T: Send + 'static>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    invocation: &Invocation<'_>,
) -> Called<T> {
    let (mut connection, mark) = match connection(database, body, &invocation.limits).await {
        Ok(taken) => taken,
        Err(error) => {
            return stopped(Ended::NotRun(error.into()));
        }
    };
    let before = StateBefore::read(database, &mut connection, body, invocation).await;
    let ended = invocation.call(body, D::session(&mut connection)).await;
    if ended.is_interrupted() {
        if let Some(mark) = mark {
            cancel_marked(database, &mark).await;
        }
        let has_stopped = wait_until_idle::<D>(&mut connection).await;
        return Called { ended, has_stopped };
    }
    let ended = match ended {
        Ended::Returned(result) => Ended::Returned(before.check_prevented(result)),
        ended => ended,
    };
    if has_open_transaction::<D>(&mut connection).await {
        let ended = match ended {
            Ended::Returned(Ok(_)) => Ended::Returned(Err(LEFT_OPEN.into())),
            ended => ended,
        };
        return stopped(ended);
    }
    let ended = match ended {
        Ended::Returned(result) => Ended::Returned(before.check(&mut connection, result).await),
        ended => ended,
    };
    database.cache.close(connection).await;
    stopped(ended)
}

/// A call of which the server runs nothing any more.
fn stopped<T>(ended: Ended<T>) -> Called<T> {
    Called {
        ended,
        has_stopped: true,
    }
}

/// Returns a connection that no other change used, with its mark. One that was opened ahead may be
/// dead by now.
async fn connection<D: Driver, T>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    limits: &Limits,
) -> Result<(GuardedConnection<D>, Option<String>), sqlx::Error> {
    loop {
        let mut connection = database
            .cache
            .acquire(&database.pool, body.client())
            .await?;
        match prepare::<D>(&mut connection, limits).await {
            Ok(mark) => return Ok((connection, mark)),
            Err(error)
                if connection.may_be_dead && D::classify(&error) == Failure::Disconnected => {}
            Err(error) => return Err(error),
        }
    }
}

/// The state before a change, to detect what it leaves behind or loses without an error of the
/// database.
struct StateBefore<D: Driver> {
    invalid_indexes: InvalidIndexes,
    watch: Option<D::IntegrityWatch>,
}

impl<D: Driver> StateBefore<D> {
    async fn read<T>(
        database: &SqlDatabase<D>,
        connection: &mut GuardedConnection<D>,
        body: &Body<T>,
        invocation: &Invocation<'_>,
    ) -> StateBefore<D> {
        let watch = match body.script().map(Script::may_drop) {
            None => D::watch_integrity(connection, IntegrityMode::DroppedTablesPerStatement).await,
            Some(true) => D::watch_integrity(connection, IntegrityMode::DroppedTables).await,
            Some(false) => Ok(None),
        };
        StateBefore {
            invalid_indexes: InvalidIndexes::find(database, connection, invocation).await,
            // A read that fails here fails in the change itself too.
            watch: watch.unwrap_or_default(),
        }
    }

    /// Returns the result, or an error if a statement was rolled back automatically.
    fn check_prevented<T>(&self, result: Result<T, BoxError>) -> Result<T, BoxError> {
        match self.watch.as_ref().and_then(D::prevented_loss) {
            Some(reason) => Err(Box::new(StatementUndone {
                reason,
                cause: result.err(),
            })),
            None => result,
        }
    }

    /// Returns the result, or an error if the change lost rows or left something unusable behind.
    async fn check<T>(
        self,
        connection: &mut GuardedConnection<D>,
        result: Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        if let (Ok(_), Some(watch)) = (&result, &self.watch)
            && let Ok(Some(violation)) = D::integrity_violation(connection, watch).await
        {
            return Err(violation);
        }
        self.invalid_indexes.check(connection, result).await
    }
}

/// A statement that was rolled back automatically, with the error that the function returned.
#[derive(Debug, thiserror::Error)]
#[error("a statement of the change was undone: {reason}")]
struct StatementUndone {
    reason: BoxError,
    #[source]
    cause: Option<BoxError>,
}

/// Sets the limits, and marks the session so that another connection can cancel its statements.
async fn prepare<D: Driver>(
    connection: &mut GuardedConnection<D>,
    limits: &Limits,
) -> Result<Option<String>, sqlx::Error> {
    connection.prepare().await?;
    if let Some(text) = D::limits(limits, false) {
        send::<D>(connection, text).await?;
    }
    let Some(cancellation) = D::CANCELLATION else {
        return Ok(None);
    };
    let tag = format!("{:016x}", rand::random::<u64>());
    match mark_session::<D>(connection, &cancellation, &tag).await {
        Ok(mark) => Ok(mark),
        // If the server cannot mark a session, its statements cannot be cancelled.
        Err(error) if D::classify(&error) != Failure::Disconnected => {
            tracing::warn!(%error, "statements of this change could not be cancelled");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
