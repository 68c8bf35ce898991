//! The statements that append rows to the audit.

use std::time::SystemTime;

use super::base::Ledger;
use super::params::{lease_params, timestamp};
use crate::backend::Backend;
use crate::rows::{LockGrant, NewAuditRow};
use crate::template::Rendered;

impl<B: Backend> Ledger<B> {
    pub(super) fn row(
        &self,
        row: &NewAuditRow,
        grant: &LockGrant,
        fencing: &str,
        tag: &str,
    ) -> Rendered {
        let template = row_template::<B>(B::DIALECT.began, fencing, "$metadata");
        let row = self.row_with(&template, row, grant, tag);
        self.behind_lock_write(grant, row)
    }

    /// Puts the statement that writes the row of the lock before the entry, in the same
    /// transaction. A shared lock that is upgraded to an exclusive one would deadlock with another
    /// stage's.
    pub(super) fn behind_lock_write(&self, grant: &LockGrant, entry: Rendered) -> Rendered {
        match self.lock_write(grant) {
            Some(write) => Rendered {
                text: [write.text, entry.text].join(";\n"),
                binds: entry.binds,
            },
            None => entry,
        }
    }

    /// Renders several rows as one statement. Only the last one has the fencing check: if the lock
    /// has another owner, none is written.
    pub(super) fn rows(
        &self,
        rows: &[NewAuditRow],
        grant: &LockGrant,
        fencing: &str,
        tag: &str,
    ) -> Rendered {
        let last = row_template::<B>(B::DIALECT.began, fencing, "$metadata");
        let other = row_template::<B>(B::DIALECT.began, "$fencing_token", "$metadata");
        let mut all = Rendered {
            text: String::new(),
            binds: Vec::new(),
        };
        for (index, row) in rows.iter().enumerate() {
            let is_last = index + 1 == rows.len();
            let (insert, values, answer) = parts_of(if is_last { &last } else { &other });
            let before = if index == 0 { insert } else { ", " };
            let behind = if is_last { answer } else { "" };
            let rendered = self.row_with(&[before, values, behind].concat(), row, grant, tag);
            all.text.push_str(&rendered.text);
            all.binds.extend(rendered.binds);
        }
        self.behind_lock_write(grant, all)
    }

    pub(super) fn row_with(
        &self,
        template: &str,
        row: &NewAuditRow,
        grant: &LockGrant,
        tag: &str,
    ) -> Rendered {
        let mut params = lease_params(grant, None);
        let elapsed = row.duration.unwrap_or_default();
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let ended_us = i64::try_from(row.ended_ago.as_micros()).unwrap_or(i64::MAX);
        let ago = |ago| {
            let time = SystemTime::now().checked_sub(ago);
            timestamp(time.unwrap_or(SystemTime::UNIX_EPOCH))
        };
        params.extend([
            ("attempt", row.attempt.into()),
            ("stage", row.stage.as_str().into()),
            ("change_id", row.change_id.as_str().into()),
            ("change_order", row.change_order.as_str().into()),
            ("author", row.author.as_str().into()),
            ("description", row.description.as_str().into()),
            ("target", row.target.as_str().into()),
            ("state", row.state.as_str().into()),
            ("transaction_mode", row.transaction_mode.as_str().into()),
            ("recovery", row.recovery.as_str().into()),
            ("origin", row.origin.as_str().into()),
            ("operator", row.operator.clone().into()),
            ("digest", row.digest.as_str().into()),
            ("idempotency_key", row.idempotency_key.as_str().into()),
            ("elapsed_us", elapsed_us.into()),
            ("ended_us", ended_us.into()),
            ("started_text", ago(row.ended_ago + elapsed).into()),
            ("ended_text", ago(row.ended_ago).into()),
            ("finished", i64::from(row.duration.is_some()).into()),
            ("duration_us", row.duration.map(|_| elapsed_us).into()),
            ("host", row.host.as_str().into()),
            ("pid", row.pid.into()),
            ("app_version", row.app_version.clone().into()),
            ("location", row.location.as_str().into()),
            ("error", row.error.clone().into()),
            ("reason", row.reason.clone().into()),
            ("metadata", row.metadata.clone().into()),
            ("tag", tag.into()),
        ]);
        self.render(template, &params)
    }

    /// Renders a row inside a message. Its duration is the time since the message, or a part of it,
    /// began.
    pub(super) fn measured_row(
        &self,
        row: &NewAuditRow,
        grant: &LockGrant,
        fencing: &str,
        tag: &str,
    ) -> Rendered {
        let elapsed = B::DIALECT.elapsed_in_text;
        let template = row_template::<B>(B::DIALECT.began_in_text, fencing, "$metadata")
            .replace("$duration_us", elapsed);
        let row = self.row_with(&template, row, grant, tag);
        self.behind_lock_write(grant, row)
    }
}

/// Returns the template that appends a row with this fencing check and metadata.
pub(super) fn row_template<B: Backend>(began: &str, fencing: &str, metadata: &str) -> String {
    let append = B::DIALECT.append;
    append
        .replace("{began}", began)
        .replace("{fencing}", fencing)
        .replace("{metadata}", metadata)
}

/// Splits a template into the text before the values of a row, the values in their parentheses, and
/// the rest.
fn parts_of(template: &str) -> (&str, &str, &str) {
    const VALUES: &str = "VALUES ";
    let values = template.find(VALUES).map_or(0, |at| at + VALUES.len());
    let end = template.rfind(')').map_or(template.len(), |at| at + 1);
    (
        &template[..values],
        &template[values..end],
        &template[end..],
    )
}

/// Returns the fencing check of a row. A row that records that an attempt has begun or failed must
/// not follow one that records how it ended.
pub(super) fn fencing_alone<B: Backend>(row: &NewAuditRow) -> String {
    let opens = matches!(row.state.as_str(), "STARTED" | "FAILED");
    let unless_ended = if opens { B::DIALECT.unless_ended } else { "" };
    B::DIALECT
        .fencing_alone
        .replace("{unless_ended}", unless_ended)
}
