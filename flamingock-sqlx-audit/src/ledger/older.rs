//! Objects of a database that existed before a change was first attempted.

use super::base::{Ledger, Result};
use crate::backend::{Backend, Conn};

impl<B: Backend> Ledger<B> {
    /// Returns the `ids` of the catalog that were written before the first of the `attempts` at a
    /// change began: all of them if there was no attempt. Returns `None` if the catalog does not
    /// show it.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn older_than(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        change_id: &str,
        attempts: i64,
        ids: &[String],
    ) -> Result<Option<Vec<String>>> {
        let Some(template) = B::DIALECT.older else {
            return Ok(None);
        };
        let params = [
            ("service", service.into()),
            ("change_id", change_id.into()),
            ("attempts", attempts.into()),
            ("ids", format!("{{{}}}", ids.join(",")).into()),
        ];
        let rows = self.fetch(connection, template, &params).await?;
        Ok(Some(rows.into_iter().map(|mut row| row.text(0)).collect()))
    }
}
