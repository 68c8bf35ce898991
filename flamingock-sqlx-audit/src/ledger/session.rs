//! Settings of a session that change what our statements do.

use super::base::{Ledger, Result};
use crate::backend::{Backend, Conn};
use crate::failure::Failure;

/// A setting of the session under which entries are not written as they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct Unfit {
    what: String,
    remedy: String,
}

impl<B: Backend> Ledger<B> {
    /// The first setting of the session under which entries are not written as they should be, where the
    /// tables are there. A session that is the only one is fit under settings that keep others out.
    ///
    /// # Errors
    /// The database's own.
    pub async fn unfit(&self, connection: &mut Conn<B>, is_only: bool) -> Result<Option<Unfit>> {
        let mut texts = B::DIALECT.inspect.iter().peekable();
        while let Some(text) = texts.next() {
            let rows = match self.fetch(connection, text, &[]).await {
                Err(error)
                    if texts.peek().is_some()
                        && matches!(
                            B::classify(&error),
                            Failure::Denied | Failure::MissingTable
                        ) =>
                {
                    continue;
                }
                rows => rows?,
            };
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            for (column, setting) in B::DIALECT.settings.iter().enumerate() {
                if row.int(column)? == Some(1) && !(is_only && setting.keeps_others_out) {
                    let text = |text: &str| self.render_as_text(text, &[]);
                    return Ok(Some(Unfit {
                        what: text(setting.what),
                        remedy: text(setting.remedy),
                    }));
                }
            }
            return Ok(None);
        }
        Ok(None)
    }
}
