//! The statements inside the transaction of a change, and those that determine afterwards how it
//! ended.

use std::time::Duration;

use super::base::{Ledger, Result};
use super::params::{attempt_params, lease_params, marker_params, tagged};
use super::row::row_template;
use super::sessions::connection_in;
use crate::backend::{Backend, Conn};
use crate::dialect::Isolation;
use crate::rows::{LockGrant, Marker, MarkerKind, NewAuditRow, ProgressOwner};
use crate::template::Rendered;

/// A trace that the transaction of a change leaves only if the database commits it midway.
#[derive(Clone, Debug)]
pub enum Witness<'a> {
    /// The row that records the beginning of the attempt.
    Row(&'a NewAuditRow),
    /// A marker, if an audit row would record something wrong.
    Marker {
        /// The marker.
        marker: &'a Marker,
        /// Whether the lock is in this database, so that its row is checked too.
        holds_lock: bool,
    },
    /// A mark on the row of the lease.
    Lease,
    /// A mark on the row of the change's progress, for a batch.
    Progress {
        /// Who works on the change.
        owner: ProgressOwner<'a>,
        /// The number of batches before this one.
        batch: i64,
    },
    /// None: the script cannot commit midway, and is sent in one message with its commit.
    Unneeded,
}

impl<B: Backend> Ledger<B> {
    /// Returns the statements that begin the transaction of a change, including the witness, if the
    /// database needs one, and the savepoint. `tag` consists of letters and digits.
    pub fn begin(&self, grant: &LockGrant, witness: &Witness<'_>, tag: &str) -> Vec<String> {
        let mut texts = Vec::new();
        let is_beside_the_lock = match witness {
            Witness::Row(_) => true,
            Witness::Marker { holds_lock, .. } => *holds_lock,
            Witness::Progress { owner, .. } => owner.holds_lock,
            Witness::Lease | Witness::Unneeded => false,
        };
        if let (Some(check), true) = (B::DIALECT.before_witness, is_beside_the_lock) {
            texts.push(self.render(check, &lease_params(grant, None)).text);
        }
        texts.extend(tagged(B::DIALECT.begin, tag).split("; ").map(str::to_owned));
        let witness_texts = self.witness(grant, witness, tag);
        let behind = Self::behind_witness(witness);
        let savepoint = Some(tagged(B::DIALECT.savepoint, tag)).filter(|text| !text.is_empty());
        if let Witness::Progress { .. } = witness {
            // Rolled back with the batch: the entry of a failure can be committed without it.
            texts.extend(savepoint.into_iter().chain(witness_texts));
        } else {
            texts.extend(witness_texts.into_iter().chain(behind).chain(savepoint));
        }
        texts
    }

    /// Returns the statements that begin the transaction of a script that cannot commit midway, and
    /// note the time. `None` if the database does not distinguish such scripts.
    pub fn begin_reversible(&self, tag: &str) -> Option<Vec<String>> {
        let texts = tagged(B::DIALECT.begin_reversible?, tag);
        Some(texts.split("; ").map(str::to_owned).collect())
    }

    pub(super) fn behind_witness(witness: &Witness<'_>) -> Option<String> {
        match witness {
            Witness::Row(_) => B::DIALECT.behind_witness.map(str::to_owned),
            Witness::Marker { .. }
            | Witness::Lease
            | Witness::Progress { .. }
            | Witness::Unneeded => None,
        }
    }

    pub(super) fn witness(
        &self,
        grant: &LockGrant,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Vec<String> {
        let (template, params) = match witness {
            Witness::Row(row) if B::DIALECT.isolation == Isolation::Witnessed => {
                let metadata = B::DIALECT.witness_metadata.unwrap_or("$metadata");
                let template = row_template::<B>(B::DIALECT.began, "$fencing_token", metadata);
                return vec![self.row_with(&template, row, grant, tag).text];
            }
            Witness::Marker { marker, .. } if B::DIALECT.has_marker_witness() => (
                B::DIALECT.marker_insert,
                marker_params(marker, MarkerKind::Started, tag),
            ),
            Witness::Lease => match B::DIALECT.lease_witness {
                Some(witness) => (witness.set, lease_params(grant, None)),
                None => return Vec::new(),
            },
            Witness::Progress { owner, batch } => return self.batch_witness(owner, *batch, tag),
            Witness::Row(_) | Witness::Marker { .. } | Witness::Unneeded => return Vec::new(),
        };
        // Nothing can be bound in a text that begins a transaction. The tag is inserted first,
        // because names from users may look like its placeholder.
        vec![self.render_as_text(&tagged(template, tag), &params)]
    }

    /// Reports whether the mark on the row of the lease is there, so that the transaction that set
    /// it was committed.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn lease_witness_is_there(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        tag: &str,
    ) -> Result<bool> {
        let Some(witness) = B::DIALECT.lease_witness else {
            return Ok(false);
        };
        let params = lease_params(grant, None);
        let rows = self
            .fetch(connection, &tagged(witness.read, tag), &params)
            .await?;
        Ok(!rows.is_empty())
    }

    /// Returns the statement to send before a script that is to be measured, if one is needed.
    pub fn note_time(&self) -> Option<&'static str> {
        B::DIALECT.note_time
    }

    /// Returns the expression for the microseconds since then.
    pub fn elapsed_in_text(&self) -> &'static str {
        B::DIALECT.elapsed_in_text
    }

    /// Returns the statement at the end of a message with scripts whose rows follow, so that a
    /// process that is stopped in between does not keep its locks.
    pub fn limit_behind_text(&self) -> Option<&'static str> {
        B::DIALECT.limit_behind_text.map(|limit| limit.set)
    }

    /// Returns the statement that removes that limit.
    pub fn lift_limit_behind_text(&self) -> Option<&'static str> {
        B::DIALECT.limit_behind_text.map(|limit| limit.lift)
    }

    /// Returns the expression for the time in microseconds, for a message with several scripts
    /// whose rows are appended after it; `None` if each row must follow its script.
    pub fn clock_in_text(&self) -> Option<&'static str> {
        B::DIALECT.clock
    }

    /// Appends a row if the savepoint is gone because the database has committed midway.
    ///
    /// # Errors
    /// [`Failure::Refused`](crate::Failure) if the lock has another owner, and any other error of
    /// the database.
    pub async fn append_midway(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        row: &NewAuditRow,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Result<()> {
        let mut statements: Vec<Rendered> = self.without_witness(witness, tag).collect();
        statements.extend(limit_idle::<B>());
        statements.push(self.row(row, grant, B::DIALECT.fencing_within, tag));
        self.send_in_order(connection, statements).await.map(drop)
    }

    /// Rolls back everything since [`begin`](Self::begin), and appends rows in the same
    /// transaction, so that no other session writes in between.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Refused`](crate::Failure) if the lock has another owner, and any other error of
    /// the database.
    pub async fn undo_within(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        lease: Option<Duration>,
        rows: &[NewAuditRow],
        tag: &str,
    ) -> Result<()> {
        let mut statements = vec![plain(tagged(B::DIALECT.rollback_to_savepoint, tag))];
        statements.extend(released::<B>(tag));
        statements.extend(
            rows.iter()
                .map(|row| self.row(row, grant, B::DIALECT.fencing_within, tag)),
        );
        // Without rows, the audit and its lease are in another database.
        let lease = lease.filter(|_| !rows.is_empty());
        statements.extend(self.renewal_within(grant, lease));
        self.send_in_order(connection, statements).await.map(drop)
    }

    /// Removes the marker that was the witness.
    pub(super) fn without_witness(
        &self,
        witness: &Witness<'_>,
        tag: &str,
    ) -> impl Iterator<Item = Rendered> + use<B> {
        let marker = match (witness, B::DIALECT.isolation) {
            (Witness::Marker { marker, .. }, Isolation::Witnessed) => {
                let params = marker_params(marker, MarkerKind::Started, tag);
                Some(self.render(B::DIALECT.marker_delete, &params))
            }
            _ => None,
        };
        marker.into_iter()
    }

    /// Sends statements in as few messages as possible: in one round trip if values are literals.
    /// The server stops at the first statement that it refuses. Returns how many rows the last
    /// message wrote.
    pub(super) async fn send_in_order(
        &self,
        connection: &mut Conn<B>,
        statements: Vec<Rendered>,
    ) -> Result<u64> {
        if matches!(B::DIALECT.values, crate::template::Values::Literal(_)) {
            return B::fetch(connection, plain(joined(statements)))
                .await
                .map(|one| one.affected);
        }
        let mut affected = 0;
        for text in kept_and_not(statements) {
            affected = B::fetch(connection, text).await?.affected;
        }
        Ok(affected)
    }

    /// Releases the savepoint of a change.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between.
    pub async fn release_savepoint(&self, connection: &mut Conn<B>, tag: &str) -> Result<()> {
        let text = tagged(B::DIALECT.release_savepoint, tag);
        B::fetch(connection, plain(text)).await.map(drop)
    }

    /// Reports whether the grant is the latest one.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn holds(&self, connection: &mut Conn<B>, grant: &LockGrant) -> Result<bool> {
        let params = lease_params(grant, None);
        Ok(!self
            .fetch(connection, B::DIALECT.holds, &params)
            .await?
            .is_empty())
    }

    /// Returns the server's id of the connection that wrote an uncommitted witness, if the database
    /// shows it.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn connection_of(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        change_id: &str,
        attempt: i64,
    ) -> Result<Option<i64>> {
        let params = attempt_params(grant, change_id, attempt);
        let mut found = None;
        for template in B::DIALECT.connection_of.unwrap_or_default() {
            let rows = self.fetch(connection, template, &params).await?;
            found = rows.into_iter().next().map(|mut row| row.text(0));
        }
        Ok(found.as_deref().and_then(connection_in))
    }

    /// Returns the states of one attempt, oldest first, on a connection outside a transaction. It
    /// first waits a few seconds at most for any transaction that has locked the row of the lock,
    /// so that afterwards nothing of the old session is undecided. Close the connection if this
    /// fails.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn settle(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        change_id: &str,
        attempt: i64,
    ) -> Result<Vec<String>> {
        let params = attempt_params(grant, change_id, attempt);
        let mut states = Vec::new();
        for template in B::DIALECT.settle {
            // Only the rows of the last query count: the first query acquires the lock.
            let rows = self.fetch(connection, template, &params).await?;
            if template.contains("{audit}") {
                states = rows.into_iter().map(|mut row| row.text(0)).collect();
            }
        }
        Ok(states)
    }

    /// Returns the states of one attempt that are visible on this connection.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn states(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        change_id: &str,
        attempt: i64,
    ) -> Result<Vec<String>> {
        let params = attempt_params(grant, change_id, attempt);
        let rows = self.fetch(connection, B::DIALECT.states, &params).await?;
        Ok(rows.into_iter().map(|mut row| row.text(0)).collect())
    }
}

/// Releases the savepoint, if there is one.
pub(super) fn released<B: Backend>(tag: &str) -> impl Iterator<Item = Rendered> + use<B> {
    let text = B::DIALECT.release_savepoint;
    (!text.is_empty())
        .then(|| plain(tagged(text, tag)))
        .into_iter()
}

/// Limits how long the transaction may be idle from here on.
pub(super) fn limit_idle<B: Backend>() -> impl Iterator<Item = Rendered> + use<B> {
    B::DIALECT
        .limit_idle
        .map(|text| plain(text.to_owned()))
        .into_iter()
}

pub(super) fn joined(statements: Vec<Rendered>) -> String {
    let texts: Vec<String> = statements.into_iter().map(|one| one.text).collect();
    texts.join(";\n")
}

/// Joins adjacent statements where values are bound, but keeps those that stay prepared apart from
/// those with a transaction's tag, which are never sent again.
fn kept_and_not(statements: Vec<Rendered>) -> Vec<Rendered> {
    let mut texts: Vec<Rendered> = Vec::new();
    for statement in statements {
        match texts.last_mut() {
            Some(last) if last.binds.is_empty() == statement.binds.is_empty() => {
                last.text.push_str(";\n");
                last.text.push_str(&statement.text);
                last.binds.extend(statement.binds);
            }
            _ => texts.push(statement),
        }
    }
    texts
}

pub(super) fn plain(text: String) -> Rendered {
    Rendered {
        text,
        binds: Vec::new(),
    }
}
