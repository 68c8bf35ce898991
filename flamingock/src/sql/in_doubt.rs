//! Finds out the outcome of a transaction in doubt: the answer to its commit was lost.

use crate::sql::timing::{LOOK, PAUSE};
use std::time::Instant;

use flamingock_sqlx_audit::Whose;

use super::database::SqlDatabase;
use super::driver::Driver;
use super::rows;
use super::sessions::end_open;
use crate::audit::attempt::Attempt;
use crate::audit::entry::State;
use crate::lock::silence;

/// What a look at the audit says.
pub(super) enum Settled {
    /// The entries of the attempt. The old session is over: this is final.
    Visible(Vec<State>),
    /// Nothing was to be found out in time.
    Unreachable,
}

/// Reads the entries of an attempt on a new connection, once the old session can change nothing any
/// more.
pub(super) async fn settle<D: Driver>(database: &SqlDatabase<D>, attempt: &Attempt<'_>) -> Settled {
    let deadline = Instant::now() + database.ledger.patience();
    loop {
        silence::progress();
        match tokio::time::timeout(LOOK, look(database, attempt)).await {
            Ok(Ok(Some(states))) => {
                let states = states.iter().map(|state| State::from(state.as_str()));
                return Settled::Visible(states.collect());
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(
                change.id = attempt.definition.id,
                %error,
                "could not yet find out what became of the transaction"
            ),
            Err(_) => tracing::warn!(
                change.id = attempt.definition.id,
                "could not yet find out what became of the transaction: no answer"
            ),
        }
        if Instant::now() >= deadline {
            return Settled::Unreachable;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// None: the old session was open still, and is being ended.
async fn look<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let mut held = database.connection().await?;
    let ledger = &database.ledger;
    let grant = rows::grant(attempt.grant);
    let (change_id, number) = (attempt.definition.id, i64::from(attempt.number));
    let own = Whose::Attempt {
        change_id,
        attempt: number,
    };
    if !end_open::<D>(&mut held, ledger, &grant, own)
        .await?
        .is_empty()
    {
        return Ok(None);
    }
    // The connection is closed whatever comes: its settings are changed.
    ledger
        .settle(&mut held, &grant, change_id, number)
        .await
        .map(Some)
}
