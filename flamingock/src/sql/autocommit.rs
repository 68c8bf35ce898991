//! A change on a connection that commits each statement by itself.

use flamingock_sqlx_audit::Failure;

use super::cancel::cancel_marked;
use super::connection::Held;
use super::connection::comes_to_rest;
use super::database::SqlDatabase;
use super::driver::{Driver, has_open_transaction, send};
use super::remains::Unusable;
use super::watching::Watching;
use crate::change::body::Body;
use crate::change::script::Script;
use crate::target::database::Called;
use crate::target::invocation::{Ended, Invocation, Limits};
use crate::util::boxed::BoxError;

const LEFT_OPEN: &str = "the change left a transaction open: nothing that it did in it is kept. Commit it in the change";

/// Calls a function on a connection of its own and sees to it that nothing of it is running or open
/// afterwards.
pub(super) async fn call<D: Driver, T: Send + 'static>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    invocation: &Invocation<'_>,
) -> Called<T> {
    let (mut held, mark) = match connection(database, body, &invocation.limits).await {
        Ok(taken) => taken,
        Err(error) => {
            return Called {
                ended: Ended::NotRun(error.into()),
                at_rest: true,
            };
        }
    };
    let before = Before::look(database, &mut held, body, invocation).await;
    let ended = invocation.call(body, D::session(&mut held)).await;
    if ended.is_interrupted() {
        if let Some(mark) = mark {
            cancel_marked(database, &mark).await;
        }
        let at_rest = comes_to_rest::<D>(&mut held).await;
        return Called { ended, at_rest };
    }
    let ended = match ended {
        Ended::Returned(result) => Ended::Returned(before.refused(result)),
        ended => ended,
    };
    if has_open_transaction::<D>(&mut held).await {
        let ended = match ended {
            Ended::Returned(Ok(_)) => Ended::Returned(Err(LEFT_OPEN.into())),
            ended => ended,
        };
        return Called {
            ended,
            at_rest: true,
        };
    }
    let ended = match ended {
        Ended::Returned(result) => Ended::Returned(before.judge(&mut held, result).await),
        ended => ended,
    };
    database.kept.close(held).await;
    Called {
        ended,
        at_rest: true,
    }
}

/// A connection on which nothing has worked, with its mark. One that was opened ahead may have died since.
async fn connection<D: Driver, T>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    limits: &Limits,
) -> Result<(Held<D>, Option<String>), sqlx::Error> {
    loop {
        let mut held = database.kept.take(&database.pool, body.client()).await?;
        match prepare::<D>(&mut held, limits).await {
            Ok(mark) => return Ok((held, mark)),
            Err(error) if held.is_untested && D::classify(&error) == Failure::Disconnected => {}
            Err(error) => return Err(error),
        }
    }
}

/// What there was before a change, where the database would say nothing of what it leaves or loses.
struct Before<D: Driver> {
    unusable: Unusable,
    watch: Option<D::Watch>,
}

impl<D: Driver> Before<D> {
    async fn look<T>(
        database: &SqlDatabase<D>,
        held: &mut Held<D>,
        body: &Body<T>,
        invocation: &Invocation<'_>,
    ) -> Before<D> {
        let watch = match body.script().map(Script::may_drop) {
            None => D::watch(held, Watching::Statements).await,
            Some(true) => D::watch(held, Watching::Drops).await,
            Some(false) => Ok(None),
        };
        Before {
            unusable: Unusable::before(database, held, invocation).await,
            // What can't be looked at now fails in the change itself.
            watch: watch.unwrap_or_default(),
        }
    }

    /// The result, unless a statement was undone by itself.
    fn refused<T>(&self, result: Result<T, BoxError>) -> Result<T, BoxError> {
        match self.watch.as_ref().and_then(D::vetoed) {
            Some(reason) => Err(Box::new(Refused {
                reason,
                cause: result.err(),
            })),
            None => result,
        }
    }

    /// The result, unless something is unusable since, or lost.
    async fn judge<T>(
        self,
        held: &mut Held<D>,
        result: Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        if let (Ok(_), Some(watch)) = (&result, &self.watch)
            && let Ok(Some(objection)) = D::objection(held, watch).await
        {
            return Err(objection);
        }
        self.unusable.judge(held, result).await
    }
}

/// A statement that was undone by itself, with what the function said.
#[derive(Debug, thiserror::Error)]
#[error("a statement of the change was undone: {reason}")]
struct Refused {
    reason: BoxError,
    #[source]
    cause: Option<BoxError>,
}

/// Sets the limits, and asks for what another connection needs to cancel a statement of this one.
async fn prepare<D: Driver>(
    held: &mut Held<D>,
    limits: &Limits,
) -> Result<Option<String>, sqlx::Error> {
    held.prepare().await?;
    if let Some(text) = D::limits(limits, false) {
        send::<D>(held, text).await?;
    }
    let Some(cancelling) = D::CANCELLING else {
        return Ok(None);
    };
    let tag = format!("{:016x}", rand::random::<u64>());
    let mark = cancelling.mark.replace("%tag%", &tag);
    match send::<D>(held, mark).await {
        Ok(mut answer) => Ok(answer.rows.first_mut().and_then(|row| row.optional(0))),
        // A server that can't mark a session can't cancel one.
        Err(error) if D::classify(&error) != Failure::Disconnected => {
            tracing::warn!(%error, "statements of this change could not be cancelled");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
