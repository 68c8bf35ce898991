//! Several changes in one transaction, each with a witness, a savepoint and a row of its own.

use std::time::Duration;

use super::params::tagged;
use super::transaction::{Witness, joined, limit_idle, plain, released};
use super::{Ledger, Result};
use crate::backend::{Backend, Conn};
use crate::dialect::Isolation;
use crate::rows::{NewAuditRow, Possession};
use crate::template::Rendered;

/// Some of the changes of a transaction that has several.
#[derive(Clone, Copy, Debug)]
pub struct Several<'a> {
    /// Their rows.
    pub rows: &'a [NewAuditRow],
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
        possession: &Possession,
        witness: &Witness<'_>,
        tag: &str,
    ) -> String {
        let mut texts = self.begin_in_parts(possession, witness, tag);
        if B::DIALECT.has_one_writer {
            let own = texts.len().saturating_sub(1);
            texts.insert(own, tagged(B::DIALECT.savepoint, &all(tag)));
        }
        texts.join("; ")
    }

    /// What stands before each change but the first: its witness and its savepoint, where the
    /// database needs them.
    pub fn next_together(
        &self,
        possession: &Possession,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        if !B::DIALECT.has_one_writer {
            texts.extend(self.witness(possession, witness, tag));
        }
        if !B::DIALECT.savepoint.is_empty() {
            texts.push(tagged(B::DIALECT.savepoint, tag));
        }
        texts
    }

    /// [`append_within`](Self::append_within) for changes of a transaction that stand one behind the
    /// other, and what stands before the next one.
    ///
    /// # Errors
    /// Those of [`append_within`](Self::append_within).
    pub async fn append_together(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        several: Several<'_>,
        next: Vec<String>,
        tag: &str,
    ) -> Result<()> {
        let Several { rows, is_last } = several;
        let mut statements = before_row::<B>(is_last, tag);
        for rows in rows.chunks(most_rows::<B>()) {
            statements.push(self.rows(rows, possession, fence::<B>(is_last), tag));
        }
        // Nobody sees the lease before the commit.
        if B::DIALECT.has_one_writer && is_last {
            statements.push(self.renewal(possession, lease, None));
        }
        statements.extend(next.into_iter().map(plain));
        self.send_in_order(connection, statements).await.map(drop)
    }

    /// The row of one of several changes in a text of scripts, behind its script and after
    /// [`note_time`](Self::note_time).
    pub fn text_together(
        &self,
        possession: &Possession,
        row: &NewAuditRow,
        is_last: bool,
        tag: &str,
    ) -> String {
        let mut statements = before_row::<B>(is_last, tag);
        statements.push(self.measured_row(row, possession, fence::<B>(is_last), tag));
        joined(statements)
    }

    /// [`undo_within`](Self::undo_within) for all changes.
    ///
    /// # Errors
    /// Those of [`undo_within`](Self::undo_within).
    pub async fn undo_together(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        rows: &[NewAuditRow],
        tag: &str,
    ) -> Result<()> {
        self.undo_within(connection, possession, lease, rows, &all(tag))
            .await
    }
}

fn before_row<B: Backend>(is_last: bool, tag: &str) -> Vec<Rendered> {
    let limit = limit_idle::<B>().filter(|_| is_last);
    released::<B>(tag).chain(limit).collect()
}

fn fence<B: Backend>(is_last: bool) -> &'static str {
    if is_last {
        B::DIALECT.fence_within
    } else {
        B::DIALECT.fence_between
    }
}

/// The name of the savepoint of all.
fn all(tag: &str) -> String {
    format!("{tag}all")
}
