//! Several changes in one transaction, each with a witness, a savepoint and a row of its own.

use std::time::Duration;

use super::params::tagged;
use super::transaction::{Witness, joined, limit_idle, plain, released};
use super::{Ledger, Result};
use crate::backend::{Backend, Conn};
use crate::rows::{NewAuditRow, Possession};
use crate::template::Rendered;

/// A change of a transaction that has several.
#[derive(Clone, Copy, Debug)]
pub struct OneOfSeveral<'a> {
    /// Its row.
    pub row: &'a NewAuditRow,
    /// Whether the commit comes behind it.
    pub is_last: bool,
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

    /// [`append_within`](Self::append_within) for one of several changes, and what stands before the
    /// next one.
    ///
    /// # Errors
    /// Those of [`append_within`](Self::append_within).
    pub async fn append_one_together(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        one: OneOfSeveral<'_>,
        next: Vec<String>,
        tag: &str,
    ) -> Result<()> {
        let mut statements = before_row::<B>(one, tag);
        statements.push(self.row(one.row, possession, fence::<B>(one), tag));
        if B::DIALECT.has_one_writer {
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
        one: OneOfSeveral<'_>,
        tag: &str,
    ) -> String {
        let mut statements = before_row::<B>(one, tag);
        statements.push(self.measured_row(one.row, possession, fence::<B>(one), tag));
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

fn before_row<B: Backend>(one: OneOfSeveral<'_>, tag: &str) -> Vec<Rendered> {
    let limit = limit_idle::<B>().filter(|_| one.is_last);
    released::<B>(tag).chain(limit).collect()
}

fn fence<B: Backend>(one: OneOfSeveral<'_>) -> &'static str {
    if one.is_last {
        B::DIALECT.fence_within
    } else {
        B::DIALECT.fence_between
    }
}

/// The name of the savepoint of all.
fn all(tag: &str) -> String {
    format!("{tag}all")
}
