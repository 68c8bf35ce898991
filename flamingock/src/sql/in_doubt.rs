//! Resolving a transaction in doubt: the answer to its commit was lost.

use std::time::Instant;

use flamingock_sqlx_audit::Whose;

use super::database::SqlDatabase;
use super::driver::Driver;
use super::rows;
use super::sessions::end_open_sessions;
use super::timing::{POLL_PAUSE, READ_TIMEOUT};
use crate::audit::attempt::Attempt;
use crate::audit::entry::State;
use crate::lock::silence;

/// What the audit or the marker shows about the attempt.
pub(super) enum InDoubtOutcome {
    /// The entries of the attempt. The old session has ended, so this is final.
    Visible(Vec<State>),
    /// The outcome could not be determined in time.
    Unreachable,
}

/// Reads the entries of an attempt on a new connection, once the old session cannot commit any
/// more.
pub(super) async fn resolve_in_doubt<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
) -> InDoubtOutcome {
    let deadline = Instant::now() + database.ledger.patience();
    loop {
        silence::progress();
        match tokio::time::timeout(READ_TIMEOUT, read_outcome(database, attempt)).await {
            Ok(Ok(Some(states))) => {
                let states = states.iter().map(|state| State::from(state.as_str()));
                return InDoubtOutcome::Visible(states.collect());
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(
                change.id = attempt.definition.id,
                %error,
                "could not yet determine the outcome of the transaction"
            ),
            Err(_) => tracing::warn!(
                change.id = attempt.definition.id,
                "could not yet determine the outcome of the transaction: no answer"
            ),
        }
        if Instant::now() >= deadline {
            return InDoubtOutcome::Unreachable;
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// Returns `None` if the old session was still open; it is being ended.
async fn read_outcome<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let ledger = &database.ledger;
    let grant = rows::grant(attempt.grant);
    let (change_id, number) = (attempt.definition.id, i64::from(attempt.number));
    let own = Whose::Attempt {
        change_id,
        attempt: number,
    };
    if !end_open_sessions::<D>(&mut connection, ledger, &grant, own)
        .await?
        .is_empty()
    {
        return Ok(None);
    }
    // The connection is closed in any case, because its settings are changed.
    ledger
        .settle(&mut connection, &grant, change_id, number)
        .await
        .map(Some)
}
