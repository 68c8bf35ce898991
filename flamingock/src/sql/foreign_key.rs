//! SQLite: foreign keys with an action on delete.

use flamingock_sqlx_audit::{Conn, Sqlite};

use super::driver::{Result, send};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RowEffect {
    Deleted,
    Updated,
}

/// A foreign key that deletes or updates the rows of the child table when their parent row is
/// deleted.
#[derive(Clone, Debug)]
pub(super) struct ForeignKey {
    pub(super) child: String,
    pub(super) column: String,
    pub(super) parent: String,
    pub(super) action: String,
}

impl ForeignKey {
    pub(super) fn effect(&self) -> RowEffect {
        if self.action == "CASCADE" {
            RowEffect::Deleted
        } else {
            RowEffect::Updated
        }
    }
}

pub(super) async fn query_number(connection: &mut Conn<Sqlite>, text: String) -> Result<i64> {
    let answer = send::<Sqlite>(connection, text).await?;
    answer
        .rows
        .first()
        .map_or(Ok(0), |row| Ok(row.int(0)?.unwrap_or_default()))
}

pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
