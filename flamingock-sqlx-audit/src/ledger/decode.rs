//! From an answer's columns to rows.

use std::time::Duration;

use super::Result;
use crate::backend::Row;
use crate::rows::{AuditRow, LockRow, NewAuditRow, NewestRow};

pub(super) fn lock_row(row: &mut Row) -> Result<Option<LockRow>> {
    let Some(token) = row.int(2)? else {
        return Ok(None);
    };
    Ok(Some(LockRow {
        token,
        run_id: row.text(3),
        owner: row.text(4),
        pipeline_digest: row.optional(5),
        acquired_at: row.text(6),
        expires_at: row.optional(7),
        activity: row.optional(8),
        held: row.int(9)? == Some(1),
    }))
}

pub(super) fn newest_row(row: &mut Row) -> Result<Option<NewestRow>> {
    let Some(change_id) = row.optional(10) else {
        return Ok(None);
    };
    Ok(Some(NewestRow {
        change_id,
        seq: row.int(11)?.unwrap_or_default(),
        state: row.text(12),
        transaction_mode: row.text(13),
        origin: row.text(14),
        digest: row.text(15),
        attempt: row.int(16)?.unwrap_or_default(),
        run_id: row.text(17),
        stage: row.text(18),
        change_order: row.text(19),
        target: row.text(20),
        started_at: row.text(21),
        error: row.optional(22),
        recovery: row.text(23),
    }))
}

pub(super) fn audit_row(mut row: Row) -> Result<AuditRow> {
    let duration_us = row.int(18)?;
    Ok(AuditRow {
        seq: row.int(0)?.unwrap_or_default(),
        service: row.text(1),
        run_id: row.text(2),
        fence: row.int(3)?.unwrap_or_default(),
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
            host: row.text(19),
            pid: row.int(20)?.unwrap_or_default(),
            app_version: row.optional(21),
            location: row.text(22),
            error: row.optional(23),
            reason: row.optional(24),
            metadata: row.optional(25),
        },
    })
}
