//! Entries are written once, also where the answer to the statement that wrote them is lost.

use std::time::Instant;

use flamingock_sqlx_audit as leaf;
use flamingock_sqlx_audit::{Failure, NewAuditRow};

use super::connection::Held;
use super::driver::Driver;
use super::error::failed;
use super::error::unreachable;
use super::store::SqlStore;
use super::timing::BUSY_PAUSE;
use super::timing::{LOOK, PAUSE};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;

const ACTION: &str = "could not write to the audit";

impl<D: Driver> SqlStore<D> {
    /// Appends rows, all or none, and answers the place of the last one. A statement whose answer
    /// is lost may have written its rows: what is on record is not written again.
    pub(super) async fn append_once(
        &self,
        grant: &leaf::LockGrant,
        mut rows: &[NewAuditRow],
    ) -> Result<i64, StoreError> {
        let deadline = Instant::now() + self.ledger.patience();
        let mut idle = Held::<D>::take_idle(&self.pool);
        loop {
            let taken = match idle.take() {
                Some(held) => Ok(held),
                None => Held::take(&self.pool).await,
            };
            let mut held = taken.map_err(|error| unreachable::<D>(ACTION, &self.pool, error))?;
            let lease = self.lease();
            let appended = self.ledger.append(&mut held, grant, lease, rows).await;
            let error = match appended {
                Ok(place) => {
                    held.return_unchanged();
                    return Ok(place);
                }
                Err(error) => error,
            };
            match D::classify(&error) {
                Failure::Disconnected => {
                    drop(held);
                    let there = self.on_record(grant, rows, deadline, error).await?;
                    rows = &rows[there.len()..];
                    if let (Some(place), true) = (there.last(), rows.is_empty()) {
                        return Ok(*place);
                    }
                }
                Failure::Busy | Failure::Serialization | Failure::Deadlock
                    if Instant::now() < deadline =>
                {
                    self.let_go(held, rows);
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                // Nothing of it is written. The connection is closed: the next one may lead to the writer.
                Failure::ReadOnly if Instant::now() < deadline => {
                    drop(held);
                    tokio::time::sleep(PAUSE).await;
                }
                Failure::MissingTable | Failure::Refused | Failure::Denied => {
                    self.let_go(held, rows);
                    return Err(failed::<D>(ACTION, error));
                }
                // Who knows what state it is in: it is closed.
                _ => return Err(failed::<D>(ACTION, error)),
            }
        }
    }

    /// Gives a connection back on which an entry was refused. One on which several were is closed: the
    /// server may have kept their transaction open.
    fn let_go(&self, held: Held<D>, rows: &[NewAuditRow]) {
        if rows.len() == 1 || self.ledger.dialect().has_one_writer {
            held.return_unchanged();
        } else {
            self.kept.close_ours(held);
        }
    }

    /// The places of the rows that are on record, of the first ones: they are written in order.
    async fn on_record(
        &self,
        grant: &leaf::LockGrant,
        rows: &[NewAuditRow],
        deadline: Instant,
        mut error: sqlx::Error,
    ) -> Result<Vec<i64>, StoreError> {
        loop {
            // Each look has an end of its own.
            silence::progress();
            match tokio::time::timeout(LOOK, self.look(grant, rows)).await {
                Ok(Ok(Some(places))) => return Ok(places),
                Ok(Ok(None)) => {
                    let moved = "the lock has another owner";
                    return Err(StoreError::new(StoreErrorKind::Refused, ACTION, moved));
                }
                Ok(Err(latest)) => error = latest,
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                // Whether it is on record is not known, whatever kept us from looking.
                return Err(StoreError::new(StoreErrorKind::Disconnected, ACTION, error));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// None: the lock has another owner. The connection is closed: its settings are changed.
    async fn look(
        &self,
        grant: &leaf::LockGrant,
        rows: &[NewAuditRow],
    ) -> Result<Option<Vec<i64>>, sqlx::Error> {
        let Some(first) = rows.first() else {
            return Ok(Some(Vec::new()));
        };
        let mut held = Held::<D>::take(&self.pool).await?;
        // Waits for the old session, which may be at the statement still.
        let (ledger, id) = (&self.ledger, &first.change_id);
        ledger.settle(&mut held, grant, id, first.attempt).await?;
        if !ledger.holds(&mut held, grant).await? {
            return Ok(None);
        }
        let of_one = rows.iter().all(|row| row.change_id == first.change_id);
        let filter = leaf::Filter {
            change_id: of_one.then(|| id.clone()),
            run_id: Some(grant.run_id.clone()),
            ..leaf::Filter::default()
        };
        let history = ledger
            .history(&mut held, &grant.service, &filter, leaf::Page::ALL)
            .await?;
        let place_of = |row: &NewAuditRow| {
            let same = |found: &&leaf::AuditRow| found.row.idempotency_key == row.idempotency_key;
            history.iter().rev().find(same).map(|found| found.seq)
        };
        Ok(Some(rows.iter().map_while(place_of).collect()))
    }
}
