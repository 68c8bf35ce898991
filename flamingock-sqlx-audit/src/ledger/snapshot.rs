//! Reading everything that a run needs to know first, in one statement.

use std::sync::atomic::Ordering;

use super::base::{Ledger, Result};
use super::decode::{FORMAT, LATEST, TEXT, latest_row, lock_status};
use super::params::clock_params;
use crate::backend::{Backend, Conn, Row};
use crate::failure::Failure;
use crate::rows::{LockProgress, Snapshot};
use crate::template::Value;

/// Flags about the session in the second column of a snapshot.
const IN_MEMORY: i64 = 1;
const UNREADABLE: i64 = 2;
const READS_UNCOMMITTED: i64 = 4;

impl<B: Backend> Ledger<B> {
    /// Reads the row of the lock and, unless its digest matches, the latest row of each change, all
    /// in one statement. Writes nothing. A PostgreSQL that was built without XML needs a second
    /// statement if the digest differs.
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
        let mut snapshot = match B::DIALECT.latest {
            None => self.read_committed(connection, &params).await?,
            Some(latest) => self.read_latest_by(latest, connection, params).await?,
        };
        snapshot.digest_matches = snapshot
            .lock
            .as_ref()
            .is_some_and(|lock| lock.ended_with(digest));
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

    /// Reads the latest entries by a separate statement, which the statement of the snapshot runs.
    async fn read_latest_by(
        &self,
        latest: &str,
        connection: &mut Conn<B>,
        mut params: Vec<(&'static str, Value)>,
    ) -> Result<Snapshot> {
        let text = self.render(latest, &params).text;
        params.push(("latest", text.into()));
        if !self.reads_in_two.load(Ordering::Relaxed) {
            match self.fetch(connection, B::DIALECT.snapshot, &params).await {
                Ok(rows) => return self.with_latest(rows),
                // Some servers cannot run a text as a statement within another one.
                Err(error) => match B::classify(&error) {
                    Failure::Other | Failure::Denied => {}
                    _ => return Err(error),
                },
            }
        }
        let alone = B::DIALECT
            .snapshot
            .replace(B::DIALECT.run_latest, "'differs'");
        let mut rows = self.fetch(connection, &alone, &params).await?;
        if rows
            .iter()
            .any(|row| row.0.get(TEXT).is_some_and(Option::is_some))
        {
            let answer = self.fetch(connection, latest, &params).await?;
            let json = answer
                .into_iter()
                .next()
                .and_then(|mut row| row.optional(0));
            let last = rows.iter_mut().flat_map(|row| row.0.get_mut(TEXT));
            for column in last {
                *column = json.as_ref().map(|json| format!("<latest>{json}</latest>"));
            }
        }
        self.reads_in_two.store(true, Ordering::Relaxed);
        self.with_latest(rows)
    }

    #[cfg(feature = "postgres")]
    fn with_latest(&self, rows: Vec<Row>) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for mut row in rows {
            self.set_lock_timeout(row.optional(TEXT + 1).as_deref());
            snapshot.format = row.int(TEXT + 2)?;
            let text = super::decode::in_text(row.optional(TEXT).as_deref())?;
            if let Some(schema) = text.schema {
                self.set_schema(&schema);
            }
            snapshot.latest = text.latest;
            snapshot.unreadable = text.unreadable;
            row.0.truncate(TEXT);
            row.0.extend(text.lease);
            row.0.resize(LATEST, None);
            self.note(&mut snapshot, &mut row)?;
        }
        Ok(snapshot)
    }

    /// Other databases have no such statement.
    #[cfg(not(feature = "postgres"))]
    fn with_latest(&self, _rows: Vec<Row>) -> Result<Snapshot> {
        Ok(Snapshot::default())
    }

    /// Records the parts of a row that belong to no entry.
    fn note(&self, snapshot: &mut Snapshot, row: &mut Row) -> Result<()> {
        if let Some(schema) = row.optional(0) {
            self.set_schema(&schema);
        }
        let session = row.int(1)?.unwrap_or_default();
        snapshot.in_memory |= session & IN_MEMORY != 0;
        snapshot.dirty |= session & READS_UNCOMMITTED != 0;
        if session & UNREADABLE != 0 {
            let what = "character_set_results is one whose texts cannot be read here: leave it as sqlx sets it";
            snapshot.unreadable = Some(what.to_owned());
            return Ok(());
        }
        if snapshot.lock.is_none() {
            snapshot.lock = lock_status(row)?;
        }
        Ok(())
    }
}
