//! A mistake of the user's own is reported where it is, and nothing else is.

use flamingock::{change, rollback};
use sqlx::SqliteConnection;

#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execut(db).await?;
    Ok(())
}

#[rollback(create_users)]
async fn drop_users(db: &mut SqliteConection) {}

fn main() {}
