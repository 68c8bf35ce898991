//! Everything between begin and commit: each function is called, and its entry appended behind it.

use std::ops::Range;
use std::time::Instant;

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Behind, Failure};
use sqlx::Transaction;

use super::batch::{SuccessEntry, Transact, Try};
use crate::sql::connection::Held;
use crate::sql::driver::{Driver, begin, is_deeper};
use crate::sql::rows;
use crate::sql::timing::BUSY_PAUSE;
use crate::sql::timing::PAUSE;
use crate::target::invocation::Ended;

const NESTED: &str =
    "the change left a nested transaction open: commit it, or let it go out of scope";

/// Where a transaction did not go on.
pub(super) enum Broke {
    /// The change did not succeed.
    Change { at: usize, ended: Ended<()> },
    /// The database refused the change's entry, or what stands before the next change.
    Entry { at: usize, error: sqlx::Error },
}

impl<D: Driver> Transact<'_, D> {
    /// Begins, on a connection that may have died since it was used last, and does everything up to the
    /// commit. The transaction is open on the connection afterwards, as far as the driver knows: from here
    /// on the connection itself is used, and its guard closes it on every path that does not find it
    /// clean.
    pub(super) async fn begin_and_call(
        &self,
        one: &mut Try<'_>,
    ) -> Result<(Held<D>, Option<Broke>), sqlx::Error> {
        let text = self.beginning(one).join("; ");
        let deadline = Instant::now() + self.database.ledger.patience();
        loop {
            let mut held = self.connection().await?;
            let untested = held.is_untested;
            held.prepare().await?;
            // Files that share a connection can't take its journal away.
            if !held.can_roll_back {
                if let Some(reason) = D::without_rollback(&mut held).await? {
                    return Err(sqlx::Error::Configuration(reason.into()));
                }
                held.can_roll_back = true;
            }
            self.set_foreign_keys(&mut held).await?;
            let done = match begin::<D>(&mut held, text.clone()).await {
                Ok(mut transaction) => {
                    let broke = self.call_all(&mut transaction, one).await.err();
                    std::mem::forget(transaction);
                    Ok(broke)
                }
                Err(error) => Err(error),
            };
            let error = match done {
                Ok(broke) => return Ok((held, broke)),
                Err(error) => error,
            };
            match D::classify(&error) {
                Failure::Disconnected if untested => {}
                // The address leads to the next writer sooner or later.
                Failure::ReadOnly if Instant::now() < deadline => {
                    drop(held);
                    tokio::time::sleep(PAUSE).await;
                }
                Failure::Busy if Instant::now() < deadline => {
                    drop(held);
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn call_all(
        &self,
        transaction: &mut Transaction<'_, D::Database>,
        one: &mut Try<'_>,
    ) -> Result<(), Broke> {
        let mut at = one.first;
        let watch = self.watch(transaction, at).await?;
        while at < self.parts.len() {
            let scripts = self.scripts_from(at);
            if scripts > 0 {
                let range = at..at + scripts;
                at = self.run_scripts(transaction, one, range, &watch).await?;
                continue;
            }
            (self.begins)(at);
            one.attempts[at].began = Instant::now();
            let session = D::transaction_session(transaction);
            let part = &self.parts[at];
            let mut ended = part.invocation.call(part.body, session).await;
            let succeeded = matches!(ended, Ended::Returned(Ok(())));
            if succeeded && is_deeper::<D>(transaction, 1).await {
                ended = Ended::Returned(Err(NESTED.into()));
            }
            if !matches!(ended, Ended::Returned(Ok(()))) {
                return Err(Broke::Change { at, ended });
            }
            self.object(transaction, &watch, at..at + 1).await?;
            if self.parts.len() > 1 {
                // The next one may have another type for the same statement.
                let cleared = D::forget_statements(transaction).await;
                cleared.map_err(|error| Broke::Entry { at, error })?;
            }
            let attempt = &mut one.attempts[at];
            attempt.took = Some(attempt.began.elapsed());
            self.enter(transaction, one, at..at + 1, None).await?;
            at += 1;
        }
        Ok(())
    }

    /// Appends the entries of changes that have ended, and what stands before the next one: it also lifts
    /// the limit behind a text.
    pub(super) async fn enter(
        &self,
        connection: &mut leaf::Conn<D>,
        one: &Try<'_>,
        range: Range<usize>,
        lift: Option<&str>,
    ) -> Result<(), Broke> {
        let ledger = &self.database.ledger;
        let (at, next) = (range.end - 1, range.end);
        let entered = match self.entry {
            SuccessEntry::Elsewhere { .. } => {
                ledger.mark_within(connection, &one.marker, &one.tag).await
            }
            SuccessEntry::Here(store) => {
                let is_last = next == self.parts.len();
                let is_in_text = || ledger.clock_in_text().is_none() && self.scripts_from(next) > 0;
                let mut before_next = Vec::new();
                if !is_last && !is_in_text() {
                    let witness = self.witness(one, next);
                    before_next = ledger.next_together(&one.grant, &witness, &one.tag);
                    before_next.extend(lift.map(str::to_owned));
                }
                let rows: Vec<_> = range.map(|at| self.row(one, at)).collect();
                let behind = Behind {
                    rows: &rows,
                    witness: &self.witness(one, at),
                    is_last,
                };
                let (grant, lease) = (&one.grant, store.lease());
                ledger
                    .append_within(connection, grant, lease, behind, before_next, &one.tag)
                    .await
            }
        };
        entered.map_err(|error| Broke::Entry { at, error })
    }

    /// The row of a change's success.
    pub(super) fn row(&self, one: &Try<'_>, at: usize) -> leaf::NewAuditRow {
        let attempt = &one.attempts[at];
        let mut row = rows::new_row(&attempt.entry(self.purpose.success(), self.mode(), None));
        let since = |took| attempt.began.elapsed().saturating_sub(took);
        row.ended_ago = attempt.took.map(since).unwrap_or_default();
        row
    }
}
