//! Markers: how another database than the audit's tells whether it has committed an attempt.
//!
//! The transaction of an attempt inserts a marker, last. Whoever must know later inserts a tombstone
//! with the same key: if it goes in, the attempt cannot commit any more; if it does not, the marker
//! is there to be read; if it has to wait, the transaction is open still.

use std::time::Instant;

use flamingock_sqlx_audit::{Failure, FoundMarker, Marker, MarkerKind};

use super::database::SqlDatabase;
use super::driver::Driver;
use super::error::failed;
use super::in_doubt::Settled;
use super::timing::{LOOK, PAUSE};
use crate::audit::attempt::Attempt;
use crate::audit::entry::State;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;
use crate::target::database::{ForeignMarkers, Resolved};

const READING: &str = "could not find out at the target system whether the change was committed";

/// The marker of an attempt.
pub(super) fn marker_of(attempt: &Attempt<'_>, key: i64) -> Marker {
    Marker {
        service: attempt.grant.service.clone(),
        change_id: attempt.definition.id.to_owned(),
        started_seq: key,
        run_id: attempt.grant.run_id.clone(),
    }
}

/// Creates the table of markers if it is not there.
pub(super) async fn prepare<D: Driver>(database: &SqlDatabase<D>) -> Result<(), StoreError> {
    database.know_the_server().await?;
    prepared(database)
        .await
        .map_err(|error| failed::<D>("could not create the table of markers", error))
}

/// Finds or creates the table, once.
async fn prepared<D: Driver>(database: &SqlDatabase<D>) -> Result<(), sqlx::Error> {
    let prepared = database.markers.get_or_try_init(|| async {
        let mut held = database.connection().await?;
        database.ledger.locate_markers(&mut held).await?;
        let nobody = Marker {
            service: String::new(),
            change_id: String::new(),
            started_seq: 0,
            run_id: String::new(),
        };
        let there = match database.ledger.marker(&mut held, &nobody).await {
            Err(error) if D::classify(&error) == Failure::MissingTable => {
                database.ledger.create_marker(&mut held).await
            }
            there => there.map(drop),
        };
        if there.is_ok() {
            held.return_unchanged();
        }
        there
    });
    prepared.await.map(drop)
}

/// What became of an attempt, in the words of the audit.
pub(super) async fn resolve<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
    key: i64,
) -> Settled {
    let own = &attempt.grant.run_id;
    match find_out(database, attempt, key, own).await {
        // The marker of a rollback is an applied one, too.
        Ok(Resolved::Applied) => Settled::Visible(vec![State::Applied, State::RolledBack]),
        Ok(Resolved::NotApplied) => Settled::Visible(Vec::new()),
        Ok(Resolved::LeftBehind) => Settled::Visible(vec![State::Started]),
        Ok(Resolved::StillOpen | Resolved::Foreign(_)) | Err(_) => Settled::Unreachable,
    }
}

/// Finds out what became of an attempt, and sees to it that it stays so. Waits for a transaction
/// that is open, and for a database that is away.
pub(super) async fn find_out<D: Driver>(
    database: &SqlDatabase<D>,
    attempt: &Attempt<'_>,
    key: i64,
    run_id: &str,
) -> Result<Resolved, StoreError> {
    let deadline = Instant::now() + database.ledger.patience();
    let marker = Marker {
        run_id: run_id.to_owned(),
        ..marker_of(attempt, key)
    };
    loop {
        silence::progress();
        let look = tokio::time::timeout(LOOK, look(database, &marker)).await;
        let late = Instant::now() >= deadline;
        match look {
            Ok(Ok(resolved)) => return Ok(resolved),
            Ok(Err(error)) => match D::classify(&error) {
                Failure::LockTimeout
                | Failure::Busy
                | Failure::Deadlock
                | Failure::Serialization
                    if late =>
                {
                    return Ok(Resolved::StillOpen);
                }
                Failure::LockTimeout
                | Failure::Busy
                | Failure::Deadlock
                | Failure::Serialization => {}
                Failure::Disconnected | Failure::ReadOnly if !late => {}
                _ => return Err(failed::<D>(READING, error)),
            },
            Err(_) if late => {
                let source = "no answer from the database";
                return Err(StoreError::new(
                    StoreErrorKind::Disconnected,
                    READING,
                    source,
                ));
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Buries the attempt, or reads what it has left. The connections are closed: their settings are
/// changed.
async fn look<D: Driver>(
    database: &SqlDatabase<D>,
    marker: &Marker,
) -> Result<Resolved, sqlx::Error> {
    let mut held = database.connection().await?;
    database.ledger.locate_markers(&mut held).await?;
    match database.ledger.entomb(&mut held, marker).await {
        Ok(()) => return Ok(Resolved::NotApplied),
        Err(error) if D::classify(&error) == Failure::Duplicate => drop(held),
        // It was created before the attempt began.
        Err(error) if D::classify(&error) == Failure::MissingTable => {
            let table = database.ledger.marker_table();
            return Ok(Resolved::Foreign(ForeignMarkers::NoTable { table }));
        }
        Err(error) => return Err(error),
    }
    Ok(match found(database, marker).await? {
        Some(found) if found.run_id != marker.run_id => {
            let run_id = found.run_id;
            Resolved::Foreign(ForeignMarkers::OfAnotherRun { run_id })
        }
        Some(found) => match found.kind {
            MarkerKind::Applied => Resolved::Applied,
            MarkerKind::Started => Resolved::LeftBehind,
            MarkerKind::Tombstone => Resolved::NotApplied,
        },
        // One that was removed in between, which is only done once the audit says what became of the
        // attempt.
        None => Resolved::NotApplied,
    })
}

async fn found<D: Driver>(
    database: &SqlDatabase<D>,
    marker: &Marker,
) -> Result<Option<FoundMarker>, sqlx::Error> {
    let mut held = database.connection().await?;
    let found = database.ledger.marker(&mut held, marker).await?;
    held.return_unchanged();
    Ok(found)
}

/// Whose marker it is that keeps an attempt from leaving its own; none if that is about the attempt itself,
/// which another owner of the lock has decided then.
pub(super) async fn in_the_way<D: Driver>(
    database: &SqlDatabase<D>,
    marker: &Marker,
) -> Result<Option<ForeignMarkers>, sqlx::Error> {
    let found = found(database, marker).await?;
    let other = found.filter(|found| found.run_id != marker.run_id);
    Ok(other.map(|found| ForeignMarkers::OfAnotherRun {
        run_id: found.run_id,
    }))
}

/// Removes a marker that has done its work.
pub(super) async fn remove<D: Driver>(database: &SqlDatabase<D>, attempt: &Attempt<'_>, key: i64) {
    let removal = async {
        let mut held = database.connection().await?;
        let removed = database
            .ledger
            .unmark(&mut held, &marker_of(attempt, key))
            .await;
        if removed.is_ok() {
            held.return_unchanged();
        }
        removed
    };
    let removed = tokio::time::timeout(LOOK, removal).await;
    let removed = removed.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    if let Err(error) = removed {
        tracing::warn!(change.id = attempt.definition.id, %error, "a marker stays; it does no harm");
    }
}
