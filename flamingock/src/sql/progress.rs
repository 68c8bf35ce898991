//! The progress of changes that work in batches, in the database in which they work.

use std::time::Instant;

use flamingock_sqlx_audit::{BatchWrite, Conn, Failure, Ledger, ProgressOwner, SavedProgress};

use super::database::SqlDatabase;
use super::driver::{Driver, send};
use super::error::store_error;
use super::in_doubt::InDoubtOutcome;
use super::rows;
use super::timing::{POLL_PAUSE, READ_TIMEOUT};
use crate::audit::change_progress::ChangeProgress;
use crate::audit::control::{ControlChange, ProgressControl, ProgressState};
use crate::audit::entry::State;
use crate::audit::progress::{BatchEnd, Progress, ProgressClaim};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;

const CLAIM: &str = "could not claim the progress of the change";

/// Makes a run the one that works on the change. Waits for a batch whose transaction is still open,
/// and while the database is not reachable.
pub(super) async fn claim<D: Driver>(
    database: &SqlDatabase<D>,
    claim: &ProgressClaim,
) -> Result<Option<Progress>, StoreError> {
    database.check_server().await?;
    let deadline = Instant::now() + database.ledger.patience();
    loop {
        silence::progress();
        let result = tokio::time::timeout(READ_TIMEOUT, claim_once(database, claim)).await;
        let is_late = Instant::now() >= deadline;
        match result {
            Ok(Ok(progress)) => return Ok(progress),
            Ok(Err(error)) if is_late || !is_passing(D::classify(&error)) => {
                return Err(store_error::<D>(CLAIM, error));
            }
            Err(_) if is_late => {
                let source = "no answer from the database: the transaction of an earlier batch may still be open";
                let kind = StoreErrorKind::Disconnected;
                return Err(StoreError::new(kind, CLAIM, source));
            }
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// Reports whether a failure may pass by itself.
fn is_passing(failure: Failure) -> bool {
    failure.is_conflict()
        || matches!(
            failure,
            Failure::LockTimeout | Failure::Busy | Failure::Disconnected | Failure::ReadOnly
        )
}

async fn claim_once<D: Driver>(
    database: &SqlDatabase<D>,
    claim: &ProgressClaim,
) -> Result<Option<Progress>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let ledger = &database.ledger;
    ledger.locate_markers(&mut connection).await?;
    let grant = rows::grant(&claim.grant);
    let owner = owner(claim, &grant);
    end_open_batch(database, &mut connection, &owner, false).await?;
    let claimed = ledger
        .take_progress(&mut connection, &owner, claim.from_start, begun(claim))
        .await;
    let claimed = match claimed {
        Err(error) if D::classify(&error) == Failure::MissingTable && claim.from_start => {
            ledger.create_progress(&mut connection).await?;
            ledger
                .take_progress(&mut connection, &owner, claim.from_start, begun(claim))
                .await?
        }
        // It was there when the first batch began.
        Err(error) if D::classify(&error) == Failure::MissingTable => None,
        claimed => claimed?,
    };
    connection.return_unchanged();
    Ok(claimed.map(progress))
}

/// Ends the session whose batch is still open: that of an earlier owner, which was paused or lost
/// its connection, or the abandoned one of this run, with `is_own` only that. It can commit nothing
/// that would count, and the row stays locked as long as it lives.
async fn end_open_batch<D: Driver>(
    database: &SqlDatabase<D>,
    connection: &mut Conn<D>,
    owner: &ProgressOwner<'_>,
    is_own: bool,
) -> Result<(), sqlx::Error> {
    let Some(cancellation) = D::CANCELLATION else {
        return Ok(());
    };
    let ledger = &database.ledger;
    let session = ledger.session_of_batch(connection, owner, cancellation.mark_prefix, is_own);
    let session = match session.await {
        Ok(Some(session)) => session,
        Ok(None) => return Ok(()),
        // The first batch creates the table.
        Err(error) if D::classify(&error) == Failure::MissingTable => return Ok(()),
        Err(error) => return Err(error),
    };
    tracing::info!(
        change.id = owner.change_id,
        connection = session,
        "ending the session of an earlier batch that is still open"
    );
    let end = cancellation.end_by_id.replace("%id%", &session.to_string());
    if let Err(error) = send::<D>(connection, end).await {
        tracing::warn!(connection = session, %error, "the session could not be ended");
    }
    Ok(())
}

/// Returns the state of a change that begins anew.
pub(super) fn begun(claim: &ProgressClaim) -> &'static str {
    match claim.rolls_back {
        true => ROLLING_BACK,
        false => RUNNING,
    }
}

pub(super) fn owner<'a>(
    claim: &'a ProgressClaim,
    grant: &'a flamingock_sqlx_audit::LockGrant,
) -> ProgressOwner<'a> {
    ProgressOwner {
        grant,
        change_id: &claim.change_id,
        attempt: i64::from(claim.attempt),
        digest: &claim.digest,
        app_version: claim.app_version.as_deref(),
        holds_lock: true,
    }
}

pub(super) fn progress(saved: SavedProgress) -> Progress {
    Progress {
        run_id: saved.run_id,
        fencing_token: saved.fencing_token,
        batches: saved.batches,
        done_rows: saved.done_rows,
        total_rows: saved.total_rows,
        cursor: saved.cursor,
        bound: saved.bound,
        size: saved.size,
        finished: saved.state == FINISHED || saved.state == ROLLED_BACK,
        rolls_back: saved.state == ROLLING_BACK || saved.state == ROLLED_BACK,
        halted: ProgressState::from_word(&saved.state).is_halted(),
        app_version: saved.app_version,
        committed_midway: saved.tag.is_some_and(|tag| !tag.is_empty()),
        failed_rows: rows::failed_rows(saved.failed_items.as_deref()),
    }
}

/// Returns the progress of a service's changes; none if the table does not exist.
pub(super) async fn of_service<D: Driver>(
    ledger: &Ledger<D>,
    connection: &mut Conn<D>,
    service: &str,
) -> Result<Vec<ChangeProgress>, sqlx::Error> {
    match ledger.progress_of_service(connection, service).await {
        Ok(rows) => Ok(rows.into_iter().map(rows::change_progress).collect()),
        Err(error) if D::classify(&error) == Failure::MissingTable => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Reads the progress in the database of a target system.
pub(super) async fn read<D: Driver>(
    database: &SqlDatabase<D>,
    service: &str,
) -> Result<Vec<ChangeProgress>, StoreError> {
    let read = async {
        let mut connection = database.connection().await?;
        let ledger = &database.ledger;
        ledger.locate_markers(&mut connection).await?;
        let found = of_service(ledger, &mut connection, service).await?;
        connection.return_unchanged();
        Ok(found)
    };
    let action = "could not read the progress of the changes in batches";
    answered::<D, _>(action, read).await
}

/// Returns what operators have set; nothing if the table does not exist.
pub(super) async fn control_in<D: Driver>(
    ledger: &Ledger<D>,
    connection: &mut Conn<D>,
    service: &str,
    change_id: &str,
) -> Result<Option<ProgressControl>, sqlx::Error> {
    match ledger.control(connection, service, change_id).await {
        Ok(found) => Ok(found.map(rows::control)),
        Err(error) if D::classify(&error) == Failure::MissingTable => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads what operators have set in the database of a target system.
pub(super) async fn control<D: Driver>(
    database: &SqlDatabase<D>,
    service: &str,
    change_id: &str,
) -> Result<Option<ProgressControl>, StoreError> {
    let read = async {
        let mut connection = database.connection().await?;
        let ledger = &database.ledger;
        ledger.locate_markers(&mut connection).await?;
        let found = control_in(ledger, &mut connection, service, change_id).await?;
        connection.return_unchanged();
        Ok(found)
    };
    answered::<D, _>("could not read what operators ask for", read).await
}

/// Changes what is set in the database of a target system.
pub(super) async fn change_control<D: Driver>(
    database: &SqlDatabase<D>,
    service: &str,
    change_id: &str,
    change: &ControlChange,
) -> Result<(), StoreError> {
    let write = async {
        // Waits for the batch in progress, which has locked the row.
        let mut connection = database.connection().await?;
        let ledger = &database.ledger;
        ledger.locate_markers(&mut connection).await?;
        rows::with_control_change(change, async |row| {
            ledger
                .change_control(&mut connection, service, change_id, row)
                .await
        })
        .await?;
        connection.return_unchanged();
        Ok(())
    };
    let written: Result<(), sqlx::Error> = write.await;
    written.map_err(|error| store_error::<D>("could not write what is asked for", error))
}

async fn answered<D: Driver, T>(
    action: &'static str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(READ_TIMEOUT, work).await {
        Ok(done) => done.map_err(|error| store_error::<D>(action, error)),
        Err(elapsed) => Err(StoreError::new(
            StoreErrorKind::Disconnected,
            action,
            elapsed,
        )),
    }
}

/// The state while batches are left.
const RUNNING: &str = "running";

/// The state after the last batch.
const FINISHED: &str = "finished";

/// The state while batches of the rollback are left.
const ROLLING_BACK: &str = "rolling_back";

/// The state after the last batch of the rollback.
const ROLLED_BACK: &str = "rolled_back";

pub(super) fn batch_write(end: &BatchEnd) -> BatchWrite<'_> {
    BatchWrite {
        number: end.number,
        cursor: end.cursor.as_deref(),
        bound: end.bound.as_deref(),
        done_rows: end.done_rows,
        total_rows: end.total_rows,
        size: end.size,
        state: match (end.rolls_back, end.finished) {
            (false, false) => RUNNING,
            (false, true) => FINISHED,
            (true, false) => ROLLING_BACK,
            (true, true) => ROLLED_BACK,
        },
        failed_items: rows::failed_items(&end.failed_rows),
    }
}

/// Determines whether a batch was committed whose connection was lost, once its transaction is no
/// longer open.
pub(super) async fn resolve_by_progress<D: Driver>(
    database: &SqlDatabase<D>,
    owner: &ProgressOwner<'_>,
    number: i64,
    tag: &str,
) -> InDoubtOutcome {
    let deadline = Instant::now() + database.ledger.patience();
    loop {
        silence::progress();
        match tokio::time::timeout(READ_TIMEOUT, settle(database, owner)).await {
            Ok(Ok(Some(saved))) if saved.run_id == owner.grant.run_id => {
                return InDoubtOutcome::Visible(if saved.batches > number {
                    vec![State::Applied]
                } else if saved.tag.as_deref() == Some(tag) {
                    vec![State::Started]
                } else {
                    Vec::new()
                });
            }
            // Another run works on the change, and knows what was committed.
            Ok(Ok(_)) => return InDoubtOutcome::Visible(Vec::new()),
            Ok(Err(error)) => tracing::warn!(
                change.id = owner.change_id,
                %error,
                "could not yet determine whether the batch was committed"
            ),
            Err(_) => tracing::warn!(
                change.id = owner.change_id,
                "could not yet determine whether the batch was committed: no answer"
            ),
        }
        if Instant::now() >= deadline {
            return InDoubtOutcome::Unreachable;
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

async fn settle<D: Driver>(
    database: &SqlDatabase<D>,
    owner: &ProgressOwner<'_>,
) -> Result<Option<SavedProgress>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let (ledger, grant) = (&database.ledger, owner.grant);
    let saved = ledger
        .progress(&mut connection, grant, owner.change_id)
        .await?;
    // Another run could only take the row once this one's batch was over.
    if saved
        .as_ref()
        .is_some_and(|saved| saved.run_id != grant.run_id)
    {
        connection.return_unchanged();
        return Ok(saved);
    }
    end_open_batch(database, &mut connection, owner, true).await?;
    let settled = database
        .ledger
        .settle_progress(&mut connection, owner)
        .await;
    if settled.is_ok() {
        connection.return_unchanged();
    }
    settled
}
