//! The changes of the billing service: a stage for the schema, and one for the data.

use flamingock::{BoxError, change, rollback};
use sqlx::SqliteConnection;

/// The default currency of invoices. The application provides it.
#[derive(Clone, Debug)]
pub struct Currency(pub String);

/// Creates the `invoices` table, with a currency for each invoice.
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

/// Creates the first invoice, so that numbers start at 1000.
#[change(id = "first-invoice", order = "0001", stage = "data")]
async fn first_invoice(db: &mut SqliteConnection, currency: &Currency) -> Result<(), BoxError> {
    sqlx::query("INSERT INTO invoices VALUES (1000, ?)")
        .bind(&currency.0)
        .execute(db)
        .await?;
    Ok(())
}
