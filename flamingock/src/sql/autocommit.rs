//! A change on a connection that commits each statement by itself.

use super::SqlDatabase;
use super::cancel::cancel_connection;
use super::driver::{Driver, has_open_transaction, send};
use super::held::Held;
use super::transact::comes_to_rest;
use crate::call::{Ended, Invocation};
use crate::change::Body;
use crate::database::Called;

const LEFT_OPEN: &str =
    "the change left a transaction open: nothing that it did in it is kept. Commit it in the change";

/// Calls a function on a connection of its own and sees to it that nothing of it is running or open
/// afterwards.
pub(super) async fn call<D: Driver, T: Send + 'static>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    invocation: &Invocation<'_>,
) -> Called<T> {
    let taken = match Held::<D>::take(&database.pool).await {
        Ok(mut held) => server_id(&mut held).await.map(|id| (held, id)),
        Err(error) => Err(error),
    };
    let (mut held, server_id) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            return Called { ended: Ended::Returned(Err(error.into())), at_rest: true };
        }
    };
    let ended = invocation.call(body, D::session(&mut held)).await;
    if ended.is_interrupted() {
        if let Some(id) = server_id {
            cancel_connection(database, id).await;
        }
        let at_rest = comes_to_rest::<D>(&mut held).await;
        return Called { ended, at_rest };
    }
    if has_open_transaction::<D>(&mut held).await {
        let ended = match ended {
            Ended::Returned(Ok(_)) => Ended::Returned(Err(LEFT_OPEN.into())),
            ended => ended,
        };
        return Called { ended, at_rest: true };
    }
    held.give_back().await;
    Called { ended, at_rest: true }
}

async fn server_id<D: Driver>(held: &mut Held<D>) -> Result<Option<i64>, sqlx::Error> {
    match D::CANCELLING {
        Some(cancelling) => {
            let answer = send::<D>(held, cancelling.own_id.to_owned()).await?;
            answer.rows.first().map_or(Ok(None), |row| row.int(0))
        }
        None => Ok(None),
    }
}
