//! Markers: the record of an attempt in a database other than the audit's.

use super::base::{Ledger, Result};
use super::params::marker_params;
use super::transaction::{joined, limit_idle, released};
use crate::backend::{Backend, Conn};
use crate::rows::{Marker, MarkerKind};
use crate::template::Rendered;

/// A marker that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMarker {
    /// The kind of the marker.
    pub kind: MarkerKind,
    /// The run of the attempt.
    pub run_id: String,
}

impl<B: Backend> Ledger<B> {
    /// Determines once in which schema the marker table is or would be created, because a change
    /// may move the connection to another schema.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn locate_markers(&self, connection: &mut Conn<B>) -> Result<()> {
        let rows = self
            .fetch(connection, B::DIALECT.marker_schema, &[])
            .await?;
        for mut row in rows {
            if let Some(schema) = row.optional(0) {
                self.set_schema(&schema);
            }
            self.set_lock_timeout(row.optional(1).as_deref());
        }
        Ok(())
    }

    /// Returns the name of the marker table.
    pub fn marker_table(&self) -> String {
        self.names.plain("marker")
    }

    /// Creates the marker table. Several processes may do so at the same time.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn create_marker(&self, connection: &mut Conn<B>) -> Result<()> {
        let statements = B::DIALECT
            .create_lock
            .iter()
            .chain([&B::DIALECT.create_marker]);
        let statements = statements
            .map(|template| self.render(template, &[]))
            .collect();
        B::write(connection, statements, self.patience)
            .await
            .map(drop)
    }

    /// Marks the attempt as applied, inside the transaction of [`begin`](Self::begin) with a marker
    /// as its witness, after releasing the savepoint. Without a witness this inserts the marker,
    /// which an existing tombstone refuses; otherwise it updates the witness.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Duplicate`](crate::Failure) if the attempt has a tombstone, and any other error
    /// of the database.
    pub async fn mark_within(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
        tag: &str,
    ) -> Result<()> {
        self.send_mark(connection, self.mark(marker, tag)).await
    }

    /// Returns the statements of [`mark_within`](Self::mark_within) as a single message. Returns
    /// `None` if the mark updates a witness, because then only the number of rows shows whether the
    /// witness was there.
    pub fn mark_text_within(&self, marker: &Marker, tag: &str) -> Option<String> {
        let turns = B::DIALECT.has_marker_witness();
        (!turns).then(|| joined(self.mark(marker, tag)))
    }

    fn mark(&self, marker: &Marker, tag: &str) -> Vec<Rendered> {
        let mut statements: Vec<Rendered> = released::<B>(tag).chain(limit_idle::<B>()).collect();
        statements.push(self.applied_mark(marker, tag));
        statements
    }

    /// Does the same if the savepoint is gone because the database has committed midway.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn mark_midway(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
        tag: &str,
    ) -> Result<()> {
        let statements = vec![self.applied_mark(marker, tag)];
        self.send_mark(connection, statements).await
    }

    async fn send_mark(&self, connection: &mut Conn<B>, statements: Vec<Rendered>) -> Result<()> {
        match self.send_in_order(connection, statements).await? {
            // The process that removed the witness has decided about this attempt.
            0 => Err(sqlx::Error::Protocol(
                "the witness of the transaction is gone".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn applied_mark(&self, marker: &Marker, tag: &str) -> Rendered {
        let params = marker_params(marker, MarkerKind::Applied, tag);
        let template = if B::DIALECT.has_marker_witness() {
            B::DIALECT.marker_promote
        } else {
            B::DIALECT.marker_insert
        };
        self.render(template, &params)
    }

    /// Makes sure that the attempt cannot be committed any more. Waits a few seconds for a
    /// transaction that is still open. Close the connection afterwards in every case.
    ///
    /// # Errors
    /// [`Failure::Duplicate`](crate::Failure) if the attempt was committed or has a tombstone
    /// already, [`Failure::LockTimeout`](crate::Failure) or [`Failure::Busy`](crate::Failure) if
    /// its transaction is still open, and any other error of the database.
    pub async fn entomb(&self, connection: &mut Conn<B>, marker: &Marker) -> Result<()> {
        let params = marker_params(marker, MarkerKind::Tombstone, "");
        let rendered = self.render(B::DIALECT.marker_tombstone, &params);
        B::write(connection, vec![rendered], self.patience)
            .await
            .map(drop)
    }

    /// Returns the marker with the key of an attempt, of any run.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn marker(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
    ) -> Result<Option<FoundMarker>> {
        let params = marker_params(marker, MarkerKind::Applied, "");
        let rows = self
            .fetch(connection, B::DIALECT.marker_read, &params)
            .await?;
        Ok(rows.into_iter().next().map(|mut row| FoundMarker {
            kind: match row.text(0).as_str() {
                "started" => MarkerKind::Started,
                "applied" => MarkerKind::Applied,
                _ => MarkerKind::Tombstone,
            },
            run_id: row.text(1),
        }))
    }

    /// Deletes a marker that is no longer needed; tombstones stay.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn unmark(&self, connection: &mut Conn<B>, marker: &Marker) -> Result<()> {
        let params = marker_params(marker, MarkerKind::Applied, "");
        let rendered = self.render(B::DIALECT.marker_delete, &params);
        B::write(connection, vec![rendered], self.patience)
            .await
            .map(drop)
    }
}
