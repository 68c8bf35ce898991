//! Appending entries exactly once, also if the answer to the statement is lost.

use std::time::Instant;

use flamingock_sqlx_audit as sqlx_audit;
use flamingock_sqlx_audit::{Failure, NewAuditRow};

use super::connection::GuardedConnection;
use super::driver::Driver;
use super::error::{connection_error, store_error};
use super::store::SqlStore;
use super::timing::{BUSY_PAUSE, POLL_PAUSE, READ_TIMEOUT};
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::lock::silence;

const ACTION: &str = "could not write to the audit";

impl<D: Driver> SqlStore<D> {
    /// Appends all rows or none. Returns the position of the last one. If the answer to a statement
    /// is lost, it first reads which rows were written, so that none is written twice.
    pub(super) async fn append_once(
        &self,
        grant: &sqlx_audit::LockGrant,
        mut rows: &[NewAuditRow],
    ) -> Result<i64, StoreError> {
        let deadline = Instant::now() + self.ledger.patience();
        let mut idle = GuardedConnection::<D>::try_acquire_idle(&self.pool);
        loop {
            let taken = match idle.take() {
                Some(connection) => Ok(connection),
                None => GuardedConnection::acquire(&self.pool).await,
            };
            let mut connection =
                taken.map_err(|error| connection_error::<D>(ACTION, &self.pool, error))?;
            let lease = self.lease();
            let appended = self
                .ledger
                .append(&mut connection, grant, lease, rows)
                .await;
            let error = match appended {
                Ok(place) => {
                    connection.return_unchanged();
                    return Ok(place);
                }
                Err(error) => error,
            };
            match D::classify(&error) {
                Failure::Disconnected => {
                    drop(connection);
                    let written = self.written_places(grant, rows, deadline, error).await?;
                    rows = &rows[written.len()..];
                    if let (Some(place), true) = (written.last(), rows.is_empty()) {
                        return Ok(*place);
                    }
                }
                Failure::Busy | Failure::Serialization | Failure::Deadlock
                    if Instant::now() < deadline =>
                {
                    self.release(connection, rows);
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                // No row was written. The connection is closed: the next one may lead to the
                // primary.
                Failure::ReadOnly if Instant::now() < deadline => {
                    drop(connection);
                    tokio::time::sleep(POLL_PAUSE).await;
                }
                Failure::MissingTable | Failure::Refused | Failure::Denied => {
                    self.release(connection, rows);
                    return Err(store_error::<D>(ACTION, error));
                }
                // The state of the connection is unknown, so it is closed.
                _ => return Err(store_error::<D>(ACTION, error)),
            }
        }
    }

    /// Returns a connection on which a single row was refused. After several rows the connection is
    /// closed: the server may have left their transaction open.
    fn release(&self, connection: GuardedConnection<D>, rows: &[NewAuditRow]) {
        if rows.len() == 1 || self.ledger.dialect().has_one_writer {
            connection.return_unchanged();
        } else {
            self.cache.close_after_error(connection);
        }
    }

    /// Returns the positions of the rows that were written. Rows are written in order, so those
    /// that are missing are the last ones.
    async fn written_places(
        &self,
        grant: &sqlx_audit::LockGrant,
        rows: &[NewAuditRow],
        deadline: Instant,
        mut error: sqlx::Error,
    ) -> Result<Vec<i64>, StoreError> {
        loop {
            // Each attempt has a time limit of its own.
            silence::progress();
            match tokio::time::timeout(READ_TIMEOUT, self.read_places(grant, rows)).await {
                Ok(Ok(Some(places))) => return Ok(places),
                Ok(Ok(None)) => {
                    let moved = "the lock has another owner";
                    return Err(StoreError::new(StoreErrorKind::Refused, ACTION, moved));
                }
                Ok(Err(latest)) => error = latest,
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                // Whether the rows were written is unknown, whatever the last error is.
                return Err(StoreError::new(StoreErrorKind::Disconnected, ACTION, error));
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Returns `None` if the lock has another owner. The connection is closed, because its settings
    /// are changed.
    async fn read_places(
        &self,
        grant: &sqlx_audit::LockGrant,
        rows: &[NewAuditRow],
    ) -> Result<Option<Vec<i64>>, sqlx::Error> {
        let Some(first) = rows.first() else {
            return Ok(Some(Vec::new()));
        };
        let mut connection = GuardedConnection::<D>::acquire(&self.pool).await?;
        // Waits for the old session, in which the statement may still be running.
        let (ledger, id) = (&self.ledger, &first.change_id);
        ledger
            .settle(&mut connection, grant, id, first.attempt)
            .await?;
        if !ledger.holds(&mut connection, grant).await? {
            return Ok(None);
        }
        let of_one = rows.iter().all(|row| row.change_id == first.change_id);
        let filter = sqlx_audit::Filter {
            change_id: of_one.then(|| id.clone()),
            run_id: Some(grant.run_id.clone()),
            ..sqlx_audit::Filter::default()
        };
        let history = ledger
            .history(
                &mut connection,
                &grant.service,
                &filter,
                sqlx_audit::Page::ALL,
            )
            .await?;
        let place_of = |row: &NewAuditRow| {
            let same =
                |found: &&sqlx_audit::AuditRow| found.row.idempotency_key == row.idempotency_key;
            history.iter().rev().find(same).map(|found| found.seq)
        };
        Ok(Some(rows.iter().map_while(place_of).collect()))
    }
}
