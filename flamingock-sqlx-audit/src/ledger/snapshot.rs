//! Reading everything that a run needs to know first.

use super::base::{Ledger, Result};
use super::decode::{ENCODING, FORMAT, HIDDEN, LATEST, latest_row, lock_status};
use super::params::clock_params;
use crate::backend::{Backend, Conn, Row};
use crate::rows::{LockProgress, Snapshot};
use crate::template::Value;

/// Flags about the session and the service in the second column of a snapshot.
const IN_MEMORY: i64 = 1;
const UNREADABLE: i64 = 2;
const READS_UNCOMMITTED: i64 = 4;
const HAS_LANES: i64 = 8;

impl<B: Backend> Ledger<B> {
    /// Reads the row of the lock and, unless its digest matches, the latest row of each change, in
    /// one consistent statement. Writes nothing. On PostgreSQL, a small statement before it reads
    /// only the row of the lock, which is enough if the digest matches.
    ///
    /// # Errors
    /// Any error of the database; [`Failure::MissingTable`](crate::Failure) if a table does not
    /// exist.
    pub async fn snapshot(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        lane: &str,
        digest: &str,
    ) -> Result<Snapshot> {
        let mut params = clock_params();
        params.extend([
            ("service", service.into()),
            ("lane", lane.into()),
            ("digest", digest.into()),
        ]);
        if let Some(unchanged) = B::DIALECT.unchanged {
            let snapshot = self.read_lock(connection, unchanged, &params).await?;
            if snapshot.ended_with(digest) {
                return Ok(Snapshot {
                    digest_matches: true,
                    ..snapshot
                });
            }
        }
        let mut snapshot = self.read_committed(connection, &params).await?;
        snapshot.digest_matches = snapshot.ended_with(digest);
        Ok(snapshot)
    }

    /// Reads the row of the lock, and how many changes were applied after the entry at `since`. A
    /// waiter polls with this, because reading all latest entries would cost the running process
    /// more.
    ///
    /// # Errors
    /// Any error of the database; [`Failure::MissingTable`](crate::Failure) if a table does not
    /// exist.
    pub async fn lock_progress(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        lane: &str,
        digest: &str,
        since: i64,
    ) -> Result<Option<LockProgress>> {
        let mut params = clock_params();
        params.extend([
            ("service", service.into()),
            ("lane", lane.into()),
            ("since", since.into()),
        ]);
        let rows = self
            .fetch(connection, B::DIALECT.lock_progress, &params)
            .await?;
        let Some(mut row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let latest = row.int(0)?.unwrap_or_default();
        let applied = row.int(1)?.unwrap_or_default();
        Ok(lock_status(&mut row)?.map(|lock| LockProgress {
            digest_matches: lock.ended_with(digest),
            lock,
            latest,
            applied,
        }))
    }

    /// Ignores uncommitted rows, whatever the isolation level of the session.
    async fn read_committed(
        &self,
        connection: &mut Conn<B>,
        params: &[(&str, Value)],
    ) -> Result<Snapshot> {
        let read = self.read_at_once(connection, B::DIALECT.snapshot, params);
        let snapshot = read.await?;
        let written = snapshot.lock.as_ref().is_some_and(|lock| lock.held);
        if !(snapshot.dirty && written) {
            return Ok(snapshot);
        }
        let committed = format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n{}",
            B::DIALECT.snapshot
        );
        self.read_at_once(connection, &committed, params).await
    }

    async fn read_at_once(
        &self,
        connection: &mut Conn<B>,
        template: &str,
        params: &[(&str, Value)],
    ) -> Result<Snapshot> {
        let statement = self.render(template, params);
        let mut snapshot = Snapshot::default();
        let mut each = |mut row: Row| {
            self.note(&mut snapshot, &mut row)?;
            if snapshot.unreadable.is_none() {
                if snapshot.format.is_none() {
                    snapshot.format = row.int(FORMAT)?;
                }
                snapshot.latest.extend(latest_row(&mut row, LATEST)?);
            }
            Ok(())
        };
        B::fetch_each(connection, statement, &mut each).await?;
        Ok(snapshot)
    }

    /// Reads the row of the lock without its lease.
    async fn read_lock(
        &self,
        connection: &mut Conn<B>,
        unchanged: &str,
        params: &[(&str, Value)],
    ) -> Result<Snapshot> {
        const LOCK_TIMEOUT: usize = 6;
        let mut snapshot = Snapshot::default();
        for mut row in self.fetch(connection, unchanged, params).await? {
            self.set_lock_timeout(row.optional(LOCK_TIMEOUT).as_deref());
            snapshot.format = row.int(LOCK_TIMEOUT + 1)?;
            row.0.truncate(LOCK_TIMEOUT);
            row.0.resize(LATEST, None);
            self.note(&mut snapshot, &mut row)?;
        }
        Ok(snapshot)
    }

    /// Records the parts of a row that belong to no entry.
    fn note(&self, snapshot: &mut Snapshot, row: &mut Row) -> Result<()> {
        if let Some(schema) = row.optional(0) {
            self.set_schema(&schema);
        }
        let session = row.int(1)?.unwrap_or_default();
        snapshot.in_memory |= session & IN_MEMORY != 0;
        snapshot.has_lanes |= session & HAS_LANES != 0;
        snapshot.dirty |= session & READS_UNCOMMITTED != 0;
        if session & UNREADABLE != 0 {
            let what = "character_set_results is one whose texts cannot be read here: leave it as sqlx sets it";
            snapshot.unreadable = Some(what.to_owned());
            return Ok(());
        }
        if let Some(tables) = row.optional(HIDDEN) {
            snapshot.unreadable = Some(format!(
                "row security hides rows of {tables} from this user: exempt it (BYPASSRLS, or the owner of the tables), or disable row security there"
            ));
            return Ok(());
        }
        if let Some(encoding) = row.optional(ENCODING) {
            snapshot.unreadable = Some(format!(
                "client_encoding is {encoding}: names and texts would be changed on their way; leave it at UTF8, as sqlx sets it"
            ));
            return Ok(());
        }
        if snapshot.lock.is_none() {
            snapshot.lock = lock_status(row)?;
        }
        Ok(())
    }
}
