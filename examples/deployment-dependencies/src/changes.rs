//! The dependency, and the change that needs it.

use flamingock::{BoxError, change, rollback, verify};
use sqlx::SqliteConnection;

use crate::catalogue::Catalogue;

/// Waits for schema 4 of the catalogue, whose article numbers the order lines use.
///
/// It changes nothing, so there is nothing to roll back or to verify after a crash: it can run
/// again.
#[change(
    id = "catalogue-schema-4",
    order = "0001",
    stage = "dependencies",
    target = "catalogue",
    recovery = "retry"
)]
async fn catalogue_schema_4(catalogue: &Catalogue) -> Result<(), BoxError> {
    catalogue.wait_for(4).await
}

/// Creates the `order_lines` table.
#[change(id = "create-order-lines", order = "0001", stage = "schema")]
async fn create_order_lines(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let table = "CREATE TABLE order_lines (
        id INTEGER PRIMARY KEY, article INTEGER NOT NULL, quantity INTEGER NOT NULL)";
    sqlx::query(table).execute(db).await?;
    Ok(())
}

#[rollback(create_order_lines)]
async fn drop_order_lines(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DROP TABLE order_lines").execute(db).await?;
    Ok(())
}

#[verify(create_order_lines)]
async fn order_lines_are_there(db: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let table = "SELECT count(*) FROM sqlite_master WHERE name = 'order_lines'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(db).await?;
    Ok(tables == 1)
}
