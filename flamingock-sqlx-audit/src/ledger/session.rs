//! Settings of a session that change the effect of the statements.

use super::base::{Ledger, Result};
use crate::backend::{Backend, Conn};
use crate::failure::Failure;

/// A setting of the session with which entries would not be written correctly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct Unfit {
    what: String,
    remedy: String,
}

impl<B: Backend> Ledger<B> {
    /// Returns the first setting of the session with which entries would not be written correctly,
    /// if the tables exist. Settings that keep other sessions out are accepted if the session is
    /// the only one.
    ///
    /// # Errors
    /// Any error of the database.
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
