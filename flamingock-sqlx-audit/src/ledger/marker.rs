//! Markers: what a database other than the audit's knows of an attempt.

use super::base::{Ledger, Result};
use super::params::marker_params;
use super::transaction::{joined, limit_idle, released};
use crate::backend::{Backend, Conn};
use crate::rows::{Marker, MarkerKind};
use crate::template::Rendered;

/// A marker that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMarker {
    /// What it says.
    pub kind: MarkerKind,
    /// The run of the attempt that it is about.
    pub run_id: String,
}

impl<B: Backend> Ledger<B> {
    /// Asks once where the marker table is, or is to be: a change may move the connection to
    /// another schema.
    ///
    /// # Errors
    /// The database's own.
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

    /// The name of the table of markers.
    pub fn marker_table(&self) -> String {
        self.names.plain("marker")
    }

    /// Creates the marker table. Safe for many at once.
    ///
    /// # Errors
    /// The database's own.
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

    /// Marks the attempt as applied inside the transaction that [`begin`](Self::begin) opened with a
    /// marker as its witness, after the savepoint is released. A plain insert, which an older
    /// tombstone refuses; where there is a witness, it is what is turned.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Duplicate`](crate::Failure) if the attempt was entombed, and the database's own.
    pub async fn mark_within(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
        tag: &str,
    ) -> Result<()> {
        self.send_mark(connection, self.mark(marker, tag)).await
    }

    /// What [`mark_within`](Self::mark_within) sends, as one text. Where the mark is a witness that is
    /// turned, only the count of rows tells whether it was there: none.
    pub fn mark_text_within(&self, marker: &Marker, tag: &str) -> Option<String> {
        let turns = B::DIALECT.has_marker_witness();
        (!turns).then(|| joined(self.mark(marker, tag)))
    }

    fn mark(&self, marker: &Marker, tag: &str) -> Vec<Rendered> {
        let mut statements: Vec<Rendered> = released::<B>(tag).chain(limit_idle::<B>()).collect();
        statements.push(self.applied_mark(marker, tag));
        statements
    }

    /// The same when the savepoint is gone: the database has committed midway.
    ///
    /// # Errors
    /// The database's own.
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
            // Whoever removed it has decided about this attempt.
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

    /// Makes sure that the attempt cannot commit any more. Waits some seconds for a transaction
    /// that is still open.
    ///
    /// # Errors
    /// [`Failure::Duplicate`](crate::Failure) if the attempt has committed or there is a tombstone
    /// already, [`Failure::LockTimeout`](crate::Failure) or [`Failure::Busy`](crate::Failure) if it
    /// is still open, and the database's own. The connection must be closed whatever comes.
    pub async fn entomb(&self, connection: &mut Conn<B>, marker: &Marker) -> Result<()> {
        let params = marker_params(marker, MarkerKind::Tombstone, "");
        let rendered = self.render(B::DIALECT.marker_tombstone, &params);
        B::write(connection, vec![rendered], self.patience)
            .await
            .map(drop)
    }

    /// The marker with the key of an attempt, whoever has left it.
    ///
    /// # Errors
    /// The database's own.
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

    /// Removes a marker that has done its work; tombstones stay.
    ///
    /// # Errors
    /// The database's own.
    pub async fn unmark(&self, connection: &mut Conn<B>, marker: &Marker) -> Result<()> {
        let params = marker_params(marker, MarkerKind::Applied, "");
        let rendered = self.render(B::DIALECT.marker_delete, &params);
        B::write(connection, vec![rendered], self.patience)
            .await
            .map(drop)
    }
}
