//! A change on a connection that commits each statement by itself.

use flamingock_sqlx_audit::Failure;

use super::SqlDatabase;
use super::cancel::cancel_marked;
use super::driver::{Driver, has_open_transaction, send};
use super::held::Held;
use super::transact::comes_to_rest;
use crate::call::{Ended, Invocation, Limits};
use crate::change::{Body, BoxError};
use crate::database::Called;

const LEFT_OPEN: &str = "the change left a transaction open: nothing that it did in it is kept. Commit it in the change";

/// Calls a function on a connection of its own and sees to it that nothing of it is running or open
/// afterwards.
pub(super) async fn call<D: Driver, T: Send + 'static>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    invocation: &Invocation<'_>,
) -> Called<T> {
    let limits = invocation.limits;
    database.kept.let_go();
    let taken = match database.connection().await {
        Ok(mut held) => prepare::<D>(&mut held, &limits)
            .await
            .map(|mark| (held, mark)),
        Err(error) => Err(error),
    };
    let (mut held, mark) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            return Called {
                ended: Ended::NotRun(error.into()),
                at_rest: true,
            };
        }
    };
    let ended = invocation.call(body, D::session(&mut held)).await;
    if ended.is_interrupted() {
        if let Some(mark) = mark {
            cancel_marked(database, &mark).await;
        }
        let at_rest = comes_to_rest::<D>(&mut held).await;
        return Called { ended, at_rest };
    }
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
        Ended::Returned(Err(cause)) => {
            Ended::Returned(Err(with_remains::<D>(&mut held, cause).await))
        }
        ended => ended,
    };
    database.kept.close(held);
    Called {
        ended,
        at_rest: true,
    }
}

/// Names what a failed change has left unusable, where the database can tell.
async fn with_remains<D: Driver>(held: &mut Held<D>, cause: BoxError) -> BoxError {
    let Some(query) = D::REMAINS else {
        return cause;
    };
    match send::<D>(held, query.to_owned()).await {
        Ok(mut answer) if !answer.rows.is_empty() => {
            let remains: Vec<String> = answer.rows.iter_mut().map(|row| row.text(0)).collect();
            Box::new(Remains {
                cause,
                remains: remains.join(", "),
            })
        }
        _ => cause,
    }
}

/// An error, with what is unusable in the database since.
#[derive(Debug, thiserror::Error)]
#[error("the database has {remains}: drop it before the change runs again")]
struct Remains {
    #[source]
    cause: BoxError,
    remains: String,
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
