//! The database: each change commits together with its audit entry.

use flamingock::{change, rollback};
use sqlx::{Error, SqliteConnection};

/// Creates the `products` table.
#[change(id = "create-products", order = "0001", stage = "schema")]
async fn create_products(db: &mut SqliteConnection) -> Result<(), Error> {
    let table = "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)";
    sqlx::query(table).execute(db).await?;
    Ok(())
}

#[rollback(create_products)]
async fn drop_products(db: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("DROP TABLE products").execute(db).await?;
    Ok(())
}

/// Adds the first products.
#[change(id = "first-products", order = "0002", stage = "schema")]
async fn first_products(db: &mut SqliteConnection) -> Result<(), Error> {
    let rows = "INSERT INTO products (name) VALUES ('flamingo'), ('pond')";
    sqlx::query(rows).execute(db).await?;
    Ok(())
}

#[rollback(first_products)]
async fn delete_first_products(db: &mut SqliteConnection) -> Result<(), Error> {
    let rows = "DELETE FROM products WHERE name IN ('flamingo', 'pond')";
    sqlx::query(rows).execute(db).await?;
    Ok(())
}
