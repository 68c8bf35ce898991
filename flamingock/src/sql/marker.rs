//! Markers: they show in a database other than the audit's whether an attempt was committed.
//!
//! The transaction of an attempt inserts a marker as its last statement. To resolve the attempt
//! later, a tombstone with the same key is inserted. If that succeeds, the attempt cannot commit
//! any more. If it fails, the marker exists and can be read. If it blocks, the transaction is still
//! open.

use std::time::Instant;

use flamingock_sqlx_audit::{Failure, FoundMarker, Marker, MarkerKind};

use super::database::SqlDatabase;
use super::driver::Driver;
use super::error::store_error;
use super::in_doubt::InDoubtOutcome;
use super::timing::{POLL_PAUSE, READ_TIMEOUT};
use crate::audit::attempt::Attempt;
use crate::audit::entry::State;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;
use crate::target::database::{ForeignMarkers, MarkerOutcome};

const ACTION: &str = "could not find out at the target system whether the change was committed";

/// Returns the marker of an attempt.
pub(super) fn marker_of(attempt: &Attempt<'_>, key: i64) -> Marker {
    Marker {
        service: attempt.grant.service.clone(),
        change_id: attempt.definition.id.to_owned(),
        started_seq: key,
        run_id: attempt.grant.run_id.clone(),
    }
}

/// Creates the table of markers if it is missing.
pub(super) async fn prepare<D: Driver>(database: &SqlDatabase<D>) -> Result<(), StoreError> {
    database.check_server().await?;
    create_table_once(database)
        .await
        .map_err(|error| store_error::<D>("could not create the table of markers", error))
}

/// Finds or creates the table, once.
async fn create_table_once<D: Driver>(database: &SqlDatabase<D>) -> Result<(), sqlx::Error> {
    let created = database.markers.get_or_try_init(|| async {
        let mut connection = database.connection().await?;
        database.ledger.locate_markers(&mut connection).await?;
        let placeholder = Marker {
            service: String::new(),
            change_id: String::new(),
            started_seq: 0,
            run_id: String::new(),
        };
        let exists = match database.ledger.marker(&mut connection, &placeholder).await {
            Err(error) if D::classify(&error) == Failure::MissingTable => {
                database.ledger.create_marker(&mut connection).await
            }
            exists => exists.map(drop),
        };
        if exists.is_ok() {
            connection.return_unchanged();
        }
        exists
    });
    created.await.map(drop)
}

/// Returns the outcome of an attempt as the entries that the audit would have.
pub(super) async fn resolve_by_marker<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
    key: i64,
) -> InDoubtOutcome {
    let own_run = &attempt.grant.run_id;
    match read_outcome(database, attempt, key, own_run).await {
        // A rollback that was committed has an applied marker too.
        Ok(MarkerOutcome::Applied) => {
            InDoubtOutcome::Visible(vec![State::Applied, State::RolledBack])
        }
        Ok(MarkerOutcome::NotApplied) => InDoubtOutcome::Visible(Vec::new()),
        Ok(MarkerOutcome::LeftBehind) => InDoubtOutcome::Visible(vec![State::Started]),
        Ok(MarkerOutcome::StillOpen | MarkerOutcome::Foreign(_)) | Err(_) => {
            InDoubtOutcome::Unreachable
        }
    }
}

/// Determines the outcome of an attempt, and makes sure that it cannot change any more. Waits while
/// the transaction is open or the database is not reachable.
pub(super) async fn read_outcome<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
    key: i64,
    run_id: &str,
) -> Result<MarkerOutcome, StoreError> {
    let deadline = Instant::now() + database.ledger.patience();
    let marker = Marker {
        run_id: run_id.to_owned(),
        ..marker_of(attempt, key)
    };
    loop {
        silence::progress();
        let result = tokio::time::timeout(READ_TIMEOUT, read_or_bury(database, &marker)).await;
        let late = Instant::now() >= deadline;
        match result {
            Ok(Ok(resolved)) => return Ok(resolved),
            Ok(Err(error)) => match D::classify(&error) {
                Failure::LockTimeout
                | Failure::Busy
                | Failure::Deadlock
                | Failure::Serialization
                    if late =>
                {
                    return Ok(MarkerOutcome::StillOpen);
                }
                Failure::LockTimeout
                | Failure::Busy
                | Failure::Deadlock
                | Failure::Serialization => {}
                Failure::Disconnected | Failure::ReadOnly if !late => {}
                _ => return Err(store_error::<D>(ACTION, error)),
            },
            Err(_) if late => {
                let source = "no answer from the database";
                return Err(StoreError::new(
                    StoreErrorKind::Disconnected,
                    ACTION,
                    source,
                ));
            }
            Err(_) => {}
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// Inserts a tombstone, or reads the marker of the attempt. The connections are closed, because
/// their settings are changed.
async fn read_or_bury<D: Driver>(
    database: &SqlDatabase<D>,
    marker: &Marker,
) -> Result<MarkerOutcome, sqlx::Error> {
    let mut connection = database.connection().await?;
    database.ledger.locate_markers(&mut connection).await?;
    match database.ledger.entomb(&mut connection, marker).await {
        Ok(()) => return Ok(MarkerOutcome::NotApplied),
        Err(error) if D::classify(&error) == Failure::Duplicate => drop(connection),
        // The table existed when the attempt began.
        Err(error) if D::classify(&error) == Failure::MissingTable => {
            let table = database.ledger.marker_table();
            return Ok(MarkerOutcome::Foreign(ForeignMarkers::NoTable { table }));
        }
        Err(error) => return Err(error),
    }
    Ok(match read(database, marker).await? {
        Some(found) if found.run_id != marker.run_id => {
            let run_id = found.run_id;
            MarkerOutcome::Foreign(ForeignMarkers::OfAnotherRun { run_id })
        }
        Some(found) => match found.kind {
            MarkerKind::Applied => MarkerOutcome::Applied,
            MarkerKind::Started => MarkerOutcome::LeftBehind,
            MarkerKind::Tombstone => MarkerOutcome::NotApplied,
        },
        // The marker was deleted in between. That happens only once the audit has the outcome.
        None => MarkerOutcome::NotApplied,
    })
}

async fn read<D: Driver>(
    database: &SqlDatabase<D>,
    marker: &Marker,
) -> Result<Option<FoundMarker>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let found = database.ledger.marker(&mut connection, marker).await?;
    connection.return_unchanged();
    Ok(found)
}

/// Returns the foreign marker that has the key of an attempt. `None` if the marker belongs to the
/// attempt itself: then another owner of the lock has resolved it.
pub(super) async fn conflicting_marker<D: Driver>(
    database: &SqlDatabase<D>,
    marker: &Marker,
) -> Result<Option<ForeignMarkers>, sqlx::Error> {
    let found = read(database, marker).await?;
    let other = found.filter(|found| found.run_id != marker.run_id);
    Ok(other.map(|found| ForeignMarkers::OfAnotherRun {
        run_id: found.run_id,
    }))
}

/// Deletes a marker that is no longer needed.
pub(super) async fn remove<D: Driver>(database: &SqlDatabase<D>, attempt: &Attempt<'_>, key: i64) {
    let removal = async {
        let mut connection = database.connection().await?;
        let removed = database
            .ledger
            .unmark(&mut connection, &marker_of(attempt, key))
            .await;
        if removed.is_ok() {
            connection.return_unchanged();
        }
        removed
    };
    let removed = tokio::time::timeout(READ_TIMEOUT, removal).await;
    let removed = removed.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    if let Err(error) = removed {
        tracing::warn!(change.id = attempt.definition.id, %error, "could not delete a marker; it is harmless");
    }
}
