//! Decoding the columns of answers into rows.

use std::time::Duration;

use super::base::Result;
use crate::backend::Row;
use crate::rows::{AuditRow, LatestRow, LockStatus, NewAuditRow};

pub(super) fn lock_status(row: &mut Row) -> Result<Option<LockStatus>> {
    let Some(fencing_token) = row.int(2)? else {
        return Ok(None);
    };
    Ok(Some(LockStatus {
        fencing_token,
        run_id: row.text(3),
        owner: row.text(4),
        pipeline_digest: row.optional(5),
        acquired_at: row.text(6),
        expires_at: row.optional(7),
        activity: row.optional(8),
        held: row.int(9)? == Some(1),
    }))
}

/// The column of a snapshot at which the latest entry begins.
pub(super) const LATEST: usize = 10;

/// The column of a snapshot with the format of the tables.
pub(super) const FORMAT: usize = LATEST + 16;

/// The column of PostgreSQL's snapshot with the tables of which row security hides rows.
pub(super) const HIDDEN: usize = FORMAT + 1;

/// The column of PostgreSQL's snapshot with an encoding that changes texts.
pub(super) const ENCODING: usize = FORMAT + 2;

/// Returns the latest entry that begins at this column; `None` if there is none.
pub(super) fn latest_row(row: &mut Row, at: usize) -> Result<Option<LatestRow>> {
    let Some(change_id) = row.optional(at) else {
        return Ok(None);
    };
    Ok(Some(LatestRow {
        change_id,
        seq: row.int(at + 1)?.unwrap_or_default(),
        state: row.text(at + 2),
        transaction_mode: row.text(at + 3),
        origin: row.text(at + 4),
        digest: row.text(at + 5),
        attempt: row.int(at + 6)?.unwrap_or_default(),
        run_id: row.text(at + 7),
        stage: row.text(at + 8),
        change_order: row.text(at + 9),
        target: row.text(at + 10),
        started_at: row.text(at + 11),
        error: row.optional(at + 12),
        recovery: row.text(at + 13),
        reason: row.optional(at + 14),
        operator: row.optional(at + 15),
    }))
}

pub(super) fn audit_row(mut row: Row) -> Result<AuditRow> {
    let duration_us = row.int(18)?;
    Ok(AuditRow {
        seq: row.int(0)?.unwrap_or_default(),
        service: row.text(1),
        run_id: row.text(2),
        fencing_token: row.int(3)?.unwrap_or_default(),
        started_at: row.text(4),
        finished_at: row.optional(5),
        row: NewAuditRow {
            attempt: row.int(6)?.unwrap_or_default(),
            stage: row.text(7),
            change_id: row.text(8),
            change_order: row.text(9),
            author: row.text(10),
            description: row.text(11),
            target: row.text(12),
            state: row.text(13),
            transaction_mode: row.text(14),
            recovery: row.text(15),
            origin: row.text(16),
            digest: row.text(17),
            duration: duration_us
                .map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or_default())),
            ended_ago: Duration::ZERO,
            host: row.text(19),
            pid: row.int(20)?.unwrap_or_default(),
            app_version: row.optional(21),
            location: row.text(22),
            error: row.optional(23),
            reason: row.optional(24),
            metadata: row.optional(25),
            operator: row.optional(26),
            idempotency_key: row.text(27),
        },
    })
}
