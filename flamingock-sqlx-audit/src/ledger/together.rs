//! Several changes in one transaction, each with its own witness, savepoint and row.

use std::time::Duration;

use super::base::{Ledger, Result};
use super::params::tagged;
use super::transaction::{Witness, joined, limit_idle, plain, released};
use crate::backend::{Backend, Conn};
use crate::dialect::Isolation;
use crate::rows::{LockGrant, NewAuditRow};
use crate::template::Rendered;

/// The rows to write after changes of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// The rows of the changes.
    pub rows: &'a [NewAuditRow],
    /// The witness of the last of the changes.
    pub witness: &'a Witness<'a>,
    /// Whether the commit follows.
    pub is_last: bool,
}

/// Returns the maximum number of rows in one statement, which servers and SQLite limit. With an
/// empty `sql_mode`, MySQL and MariaDB store 0 instead of refusing NULL, unless the row is the only
/// one.
fn most_rows<B: Backend>() -> usize {
    match B::DIALECT.isolation {
        Isolation::Whole => 100,
        Isolation::Witnessed => 1,
    }
}

impl<B: Backend> Ledger<B> {
    /// Begins a transaction like [`begin`](Self::begin) for several changes, with an additional
    /// savepoint to which all of them can be rolled back, on databases that can do so without
    /// ending the transaction.
    pub fn begin_together(
        &self,
        grant: &LockGrant,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Vec<String> {
        let mut texts = self.begin(grant, witness, tag);
        if B::DIALECT.has_one_writer {
            let own = texts.len().saturating_sub(1);
            texts.insert(own, tagged(B::DIALECT.savepoint, &all(tag)));
        }
        texts
    }

    /// Returns the statements before each change except the first: its witness and its savepoint,
    /// if the database needs them.
    pub fn next_together(
        &self,
        grant: &LockGrant,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        if !B::DIALECT.has_one_writer {
            texts.extend(self.witness(grant, witness, tag));
            texts.extend(Self::behind_witness(witness));
        }
        if !B::DIALECT.savepoint.is_empty() {
            texts.push(tagged(B::DIALECT.savepoint, tag));
        }
        texts
    }

    /// Appends the rows of consecutive changes inside the transaction of [`begin`](Self::begin), so
    /// that the changes and their rows are committed together or not at all. Releases the savepoint
    /// and removes the witness marker first, and sends the statements before the `next` change
    /// afterwards. On SQLite the last rows also renew the lease.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Refused`](crate::Failure) if the lock has another owner or the transaction is not
    /// the one that was begun, and any other error of the database.
    pub async fn append_within(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        lease: Option<Duration>,
        behind: Behind<'_>,
        next: Vec<String>,
        tag: &str,
    ) -> Result<()> {
        let mut statements = self.before_row(behind, tag);
        for rows in behind.rows.chunks(most_rows::<B>()) {
            statements.push(self.rows(rows, grant, fencing::<B>(behind.is_last), tag));
        }
        // Other sessions see the new lease only after the commit.
        let lease = lease.filter(|_| behind.is_last);
        statements.extend(self.renewal_within(grant, lease));
        statements.extend(next.into_iter().map(plain));
        self.send_in_order(connection, statements).await.map(drop)
    }

    /// Returns the statements of [`append_within`](Self::append_within) as text to send after a
    /// change in the same message, which begins with [`note_time`](Self::note_time): the server
    /// measures how long the change took.
    pub fn text_within(&self, grant: &LockGrant, behind: Behind<'_>, tag: &str) -> String {
        let mut statements = self.before_row(behind, tag);
        let fencing = fencing::<B>(behind.is_last);
        let rows = behind.rows.iter();
        statements.extend(rows.map(|row| self.measured_row(row, grant, fencing, tag)));
        joined(statements)
    }

    fn before_row(&self, behind: Behind<'_>, tag: &str) -> Vec<Rendered> {
        if let Witness::Unneeded = behind.witness {
            return Vec::new();
        }
        let limit = limit_idle::<B>().filter(|_| behind.is_last);
        released::<B>(tag)
            .chain(self.without_witness(behind.witness, tag))
            .chain(limit)
            .collect()
    }

    /// Rolls back all changes, like [`undo_within`](Self::undo_within).
    ///
    /// # Errors
    /// The same as [`undo_within`](Self::undo_within).
    pub async fn undo_together(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        lease: Option<Duration>,
        rows: &[NewAuditRow],
        tag: &str,
    ) -> Result<()> {
        self.undo_within(connection, grant, lease, rows, &all(tag))
            .await
    }
}

fn fencing<B: Backend>(is_last: bool) -> &'static str {
    if is_last {
        B::DIALECT.fencing_within
    } else {
        B::DIALECT.fencing_between
    }
}

/// Returns the name of the savepoint before all changes.
fn all(tag: &str) -> String {
    format!("{tag}all")
}
