//! SQLite: foreign keys, and what is asked of the tables that they join.

use super::driver::send;
use flamingock_sqlx_audit::{Conn, Sqlite};

type Result<T> = std::result::Result<T, sqlx::Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Deleted,
    Updated,
}

/// A reference that does something to the rows of its table when the row is gone to which they refer.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) child: String,
    pub(super) column: String,
    pub(super) parent: String,
    pub(super) action: String,
}

impl Reference {
    pub(super) fn kind(&self) -> Kind {
        if self.action == "CASCADE" {
            Kind::Deleted
        } else {
            Kind::Updated
        }
    }
}

pub(super) async fn number(connection: &mut Conn<Sqlite>, text: String) -> Result<i64> {
    let answer = send::<Sqlite>(connection, text).await?;
    answer
        .rows
        .first()
        .map_or(Ok(0), |row| Ok(row.int(0)?.unwrap_or_default()))
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
