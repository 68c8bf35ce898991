//! The changes of the billing service: a stage for the schema, and one for the data.

use flamingock::{BoxError, change, rollback};
use sqlx::SqliteConnection;

/// What invoices are in, until they say otherwise. The application provides it.
#[derive(Clone, Debug)]
pub struct Currency(pub String);

/// Invoices have a currency each.
#[change(id = "create-invoices", order = "0001", stage = "schema")]
async fn create_invoices(db: &mut SqliteConnection) -> Result<(), BoxError> {
    sqlx::query("CREATE TABLE invoices (id INTEGER PRIMARY KEY, currency TEXT NOT NULL)")
        .execute(db)
        .await?;
    Ok(())
}

#[rollback(create_invoices)]
async fn drop_invoices(db: &mut SqliteConnection) -> Result<(), BoxError> {
    sqlx::query("DROP TABLE invoices").execute(db).await?;
    Ok(())
}

/// The numbers begin at 1000.
#[change(id = "first-invoice", order = "0001", stage = "data")]
async fn first_invoice(db: &mut SqliteConnection, currency: &Currency) -> Result<(), BoxError> {
    sqlx::query("INSERT INTO invoices VALUES (1000, ?)")
        .bind(&currency.0)
        .execute(db)
        .await?;
    Ok(())
}
