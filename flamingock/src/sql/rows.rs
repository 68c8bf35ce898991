//! Conversions between entries and the rows of `flamingock-sqlx-audit`.

use std::time::Duration;

use flamingock_sqlx_audit as sqlx_audit;
use serde::{Deserialize, Serialize};

use crate::audit::change_progress::ChangeProgress;
use crate::audit::control::{
    ControlAction, ControlChange, ControlRequest, ProgressControl, ProgressState,
};
use crate::audit::entry::{Entry, LatestEntry, NewEntry, Origin, State, TransactionMode, known};
use crate::audit::grant::{LockGrant, STARTUP};
use crate::audit::snapshot::{LockProgress, LockStatus, Snapshot};
use crate::audit::store::{Acquired, HistoryFilter};
use crate::change::definition::Recovery;
use crate::change::failed_row::FailedRow;
use crate::util::error_chain::ErrorChain;
use crate::util::time;

pub(super) fn grant(grant: &LockGrant) -> sqlx_audit::LockGrant {
    sqlx_audit::LockGrant {
        service: grant.service.clone(),
        lane: grant.lane.clone(),
        fencing_token: grant.fencing_token,
        run_id: grant.run_id.clone(),
    }
}

pub(super) fn acquired(acquired: sqlx_audit::Acquired) -> Acquired {
    let row = acquired.grant;
    Acquired {
        grant: LockGrant {
            service: row.service,
            lane: row.lane,
            fencing_token: row.fencing_token,
            run_id: row.run_id,
        },
        previous_run: acquired.previous_run,
    }
}

pub(super) fn new_row(entry: &NewEntry) -> sqlx_audit::NewAuditRow {
    sqlx_audit::NewAuditRow {
        attempt: i64::from(entry.attempt),
        stage: entry.stage.clone(),
        change_id: entry.change_id.clone(),
        change_order: entry.change_order.clone(),
        author: entry.author.clone(),
        description: entry.description.clone(),
        target: entry.target.clone(),
        state: entry.state.as_str().to_owned(),
        transaction_mode: entry.transaction_mode.as_str().to_owned(),
        recovery: entry
            .recovery
            .map_or_else(String::new, |of| of.as_str().to_owned()),
        origin: entry.origin.as_str().to_owned(),
        operator: entry.origin_facts.operator.clone(),
        digest: entry.digest.clone(),
        idempotency_key: entry.idempotency_key.clone(),
        duration: entry.duration,
        ended_ago: Duration::ZERO,
        host: entry.origin_facts.host.clone(),
        pid: i64::from(entry.origin_facts.pid),
        app_version: entry.origin_facts.app_version.clone(),
        location: entry.location.clone(),
        error: entry.error.as_ref().map(ErrorChain::to_json),
        reason: entry.reason.clone(),
        metadata: entry.origin_facts.metadata.clone(),
    }
}

pub(super) fn filter(filter: &HistoryFilter) -> sqlx_audit::Filter {
    sqlx_audit::Filter {
        change_id: filter.change_id.clone(),
        state: filter.state.as_ref().map(|state| state.as_str().to_owned()),
        attempt: filter.attempt.map(i64::from),
        run_id: filter.run_id.clone(),
        since: filter.since.map(time::text),
        latest_only: filter.latest_only,
    }
}

pub(super) fn progress(read: sqlx_audit::LockProgress, lane: &str) -> LockProgress {
    LockProgress {
        lock: lock_status(read.lock, lane),
        up_to_date: read.digest_matches,
        latest: read.latest,
        applied: usize::try_from(read.applied).unwrap_or_default(),
    }
}

pub(super) fn snapshot(read: sqlx_audit::Snapshot) -> Snapshot {
    Snapshot {
        lock: read.lock.map(|lock| lock_status(lock, STARTUP)),
        up_to_date: read.digest_matches,
        latest: read
            .latest
            .into_iter()
            .filter(|row| !row.change_id.is_empty())
            .map(latest)
            .collect(),
        has_lanes: read.has_lanes,
        lanes: Vec::new(),
        tables: true,
    }
}

fn lock_status(row: sqlx_audit::LockStatus, lane: &str) -> LockStatus {
    LockStatus {
        lane: lane.to_owned(),
        fencing_token: row.fencing_token,
        run_id: known(&row.run_id),
        owner: row.owner,
        acquired_at: time::stored(&row.acquired_at),
        expires_at: row.expires_at.as_deref().map(time::stored),
        activity: row.activity,
        held: row.held,
    }
}

fn latest(row: sqlx_audit::LatestRow) -> LatestEntry {
    LatestEntry {
        change_id: row.change_id,
        seq: row.seq,
        state: State::from(row.state.as_str()),
        transaction_mode: TransactionMode::from(row.transaction_mode.as_str()),
        origin: Origin::from(row.origin.as_str()),
        digest: row.digest,
        attempt: u32::try_from(row.attempt).unwrap_or_default(),
        run_id: row.run_id,
        stage: row.stage,
        change_order: row.change_order,
        target: row.target,
        started_at: time::stored(&row.started_at),
        error: row.error.as_deref().map(ErrorChain::from_json),
        recovery: Recovery::recorded(&row.recovery),
        reason: row.reason,
        operator: row.operator,
    }
}

pub(super) fn entry(row: sqlx_audit::AuditRow) -> Entry {
    let sqlx_audit::AuditRow {
        seq,
        service,
        run_id,
        fencing_token,
        started_at,
        finished_at,
        row,
    } = row;
    Entry {
        seq,
        service,
        run_id,
        fencing_token,
        idempotency_key: known(&row.idempotency_key),
        change_id: known(&row.change_id),
        stage: known(&row.stage),
        change_order: known(&row.change_order),
        target: known(&row.target),
        author: known(&row.author),
        description: known(&row.description),
        location: known(&row.location),
        digest: known(&row.digest),
        attempt: u32::try_from(row.attempt).unwrap_or_default(),
        state: State::from(row.state.as_str()),
        transaction_mode: TransactionMode::from(row.transaction_mode.as_str()),
        recovery: Recovery::recorded(&row.recovery),
        origin: Origin::from(row.origin.as_str()),
        operator: row.operator,
        started_at: time::stored(&started_at),
        finished_at: finished_at.as_deref().map(time::stored),
        duration: row.duration,
        error: row.error.as_deref().map(ErrorChain::from_json),
        reason: row.reason,
        host: row.host,
        pid: u32::try_from(row.pid).unwrap_or_default(),
        app_version: row.app_version,
        metadata: row.metadata,
    }
}

/// What operators have set beyond the columns of the table.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
}

fn fixed_size(settings: Option<&str>) -> Option<i64> {
    let settings: Settings = serde_json::from_str(settings?).ok()?;
    settings.size
}

fn pause(milliseconds: Option<i64>) -> Option<Duration> {
    let milliseconds = u64::try_from(milliseconds?).ok()?;
    Some(Duration::from_millis(milliseconds))
}

fn request(
    row: Option<sqlx_audit::ControlRequest>,
    requested_at: Option<&str>,
) -> Option<ControlRequest> {
    let row = row?;
    Some(ControlRequest {
        action: ControlAction::from_word(&row.action)?,
        operator: row.operator,
        reason: row.reason,
        requested_at: requested_at.map(time::stored),
    })
}

pub(super) fn control(row: sqlx_audit::Control) -> ProgressControl {
    ProgressControl {
        state: ProgressState::from_word(&row.state),
        request: request(row.request, None),
        pause: pause(row.pause_ms),
        size: fixed_size(row.throttle.as_deref()),
    }
}

/// Calls the function with the row of a change of the control.
pub(super) async fn with_control_change<T>(
    change: &ControlChange,
    write: impl AsyncFnOnce(&sqlx_audit::ControlChange<'_>) -> T,
) -> T {
    let request;
    let settings;
    let row = match change {
        ControlChange::Request(None) => sqlx_audit::ControlChange::Request(None),
        ControlChange::Request(Some(asked)) => {
            request = sqlx_audit::ControlRequest {
                action: asked.action.as_str().to_owned(),
                operator: asked.operator.clone(),
                reason: asked.reason.clone(),
            };
            sqlx_audit::ControlChange::Request(Some(&request))
        }
        ControlChange::State { state, acted } => sqlx_audit::ControlChange::State {
            state: state.as_str(),
            acted: acted.map(ControlAction::as_str),
        },
        ControlChange::Tune { pause, size } => {
            settings = serde_json::json!(Settings { size: *size }).to_string();
            let milliseconds = pause.map(|pause| pause.as_millis());
            sqlx_audit::ControlChange::Tune {
                pause_ms: milliseconds.and_then(|pause| i64::try_from(pause).ok()),
                throttle: size.is_some().then_some(settings.as_str()),
            }
        }
        ControlChange::Wait(reason) => sqlx_audit::ControlChange::Wait(reason.as_deref()),
    };
    write(&row).await
}

/// Reads the rows that failed. A text that cannot be read must not count as none.
pub(super) fn failed_rows(json: Option<&str>) -> Vec<FailedRow> {
    let Some(json) = json else {
        return Vec::new();
    };
    serde_json::from_str(json).unwrap_or_else(|error| {
        let told = format!("the column `failed_items` cannot be read: {error}");
        vec![FailedRow::new(json, told)]
    })
}

/// Writes the rows that failed; `None` without any.
pub(super) fn failed_items(rows: &[FailedRow]) -> Option<String> {
    (!rows.is_empty()).then(|| serde_json::json!(rows).to_string())
}

pub(super) fn change_progress(row: flamingock_sqlx_audit::ChangeProgress) -> ChangeProgress {
    ChangeProgress {
        state: ProgressState::from_word(&row.state),
        run_id: row.run_id,
        attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
        batches: row.batches,
        done_rows: row.done_rows,
        total_rows: row.total_rows,
        size: row.size,
        updated_at: time::stored(&row.updated_at),
        pause: pause(row.pause_ms),
        fixed_size: fixed_size(row.throttle.as_deref()),
        waits_for: row.waits_for,
        request: request(row.request, row.requested_at.as_deref()),
        failed_rows: failed_rows(row.failed_items.as_deref()),
        ..ChangeProgress::new(row.change_id, time::stored(&row.started_at))
    }
}
