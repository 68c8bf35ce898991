use flamingock::{change, rollback};
use sqlx::{PgConnection, Sqlite, SqliteConnection, Transaction};

#[change(id = "two", order = "0001")]
async fn two(_from: &mut SqliteConnection, _to: &mut PgConnection) {}

#[rollback(two)]
async fn undo(_text: &str, _db: &mut SqliteConnection, _tx: &mut Transaction<'_, Sqlite>) {}

fn main() {}
