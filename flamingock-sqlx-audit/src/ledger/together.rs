//! The changes of one transaction, each with a witness, a savepoint and a row of its own.

use std::time::Duration;

use super::base::{Ledger, Result};
use super::params::tagged;
use super::transaction::{Witness, joined, limit_idle, plain, released};
use crate::backend::{Backend, Conn};
use crate::dialect::Isolation;
use crate::rows::{LockGrant, NewAuditRow};
use crate::template::Rendered;

/// What is written behind changes of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// Their rows.
    pub rows: &'a [NewAuditRow],
    /// The witness of the last of them.
    pub witness: &'a Witness<'a>,
    /// Whether the commit comes behind them.
    pub is_last: bool,
}

/// How many rows one statement writes at most: servers and SQLite limit what it may hold. With an empty
/// `sql_mode`, MySQL and MariaDB store 0 where NULL is refused, unless the row is the only one.
fn most_rows<B: Backend>() -> usize {
    match B::DIALECT.isolation {
        Isolation::Whole => 100,
        Isolation::Witnessed => 1,
    }
}

impl<B: Backend> Ledger<B> {
    /// [`begin`](Self::begin) for several changes: with a savepoint more that all of them are undone
    /// to, where one undoes without ending the transaction.
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

    /// What stands before each change but the first: its witness and its savepoint, where the
    /// database needs them.
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

    /// Appends the rows of changes that stand one behind the other, inside the transaction that
    /// [`begin`](Self::begin) opened, so that both are committed or neither, after the savepoint is
    /// released and the witness marker gone; and what stands before the `next` change. SQLite renews the
    /// lease with the last rows.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Refused`](crate::Failure) if the lock has another owner or the transaction is not
    /// the one that was begun, and the database's own.
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
        // Nobody sees the lease before the commit.
        if B::DIALECT.has_one_writer && behind.is_last {
            statements.push(self.renewal(grant, lease, None));
        }
        statements.extend(next.into_iter().map(plain));
        self.send_in_order(connection, statements).await.map(drop)
    }

    /// What [`append_within`](Self::append_within) sends, as a text that stands behind the change, which is
    /// itself a text and stands after [`note_time`](Self::note_time): the server measures how long the
    /// change took.
    pub fn text_within(&self, grant: &LockGrant, behind: Behind<'_>, tag: &str) -> String {
        let mut statements = self.before_row(behind, tag);
        let fencing = fencing::<B>(behind.is_last);
        let rows = behind.rows.iter();
        statements.extend(rows.map(|row| self.measured_row(row, grant, fencing, tag)));
        joined(statements)
    }

    fn before_row(&self, behind: Behind<'_>, tag: &str) -> Vec<Rendered> {
        let limit = limit_idle::<B>().filter(|_| behind.is_last);
        released::<B>(tag)
            .chain(self.without_witness(behind.witness, tag))
            .chain(limit)
            .collect()
    }

    /// [`undo_within`](Self::undo_within) for all changes.
    ///
    /// # Errors
    /// Those of [`undo_within`](Self::undo_within).
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

/// The name of the savepoint of all.
fn all(tag: &str) -> String {
    format!("{tag}all")
}
