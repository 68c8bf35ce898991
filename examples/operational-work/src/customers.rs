//! Rotates the key of an encrypted column.

use flamingock::{BoxError, change, rollback};
use sqlx::SqliteConnection;

use crate::cipher::{Key, Keys};

/// Rows in memory at a time.
const BATCH: i64 = 100;

/// Creates the `customers` table, with encrypted telephone numbers.
#[change(id = "create-customers", order = "0001", stage = "customers")]
async fn create_customers(db: &mut SqliteConnection, keys: &Keys) -> Result<(), BoxError> {
    let table = "CREATE TABLE customers (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, telephone BLOB NOT NULL)";
    sqlx::query(table).execute(&mut *db).await?;
    for (id, name, telephone) in [(1, "Ada", "+44 20 1"), (2, "Ben", "+34 91 2")] {
        sqlx::query("INSERT INTO customers VALUES (?, ?, ?)")
            .bind(id)
            .bind(name)
            .bind(keys.old.seal(id, telephone.as_bytes())?)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

#[rollback(create_customers)]
async fn drop_customers(db: &mut SqliteConnection) -> Result<(), BoxError> {
    sqlx::query("DROP TABLE customers").execute(db).await?;
    Ok(())
}

/// Encrypts every telephone number with the new key.
///
/// In the transaction of the audit's entry: after a row that can't be decrypted, or a crash, all
/// rows have the old key, and there is never a mixture of keys.
#[change(id = "rotate-key", order = "0002", stage = "customers")]
async fn rotate_key(db: &mut SqliteConnection, keys: &Keys) -> Result<(), BoxError> {
    encrypt_again(db, &keys.old, &keys.new).await
}

#[rollback(rotate_key)]
async fn rotate_key_back(db: &mut SqliteConnection, keys: &Keys) -> Result<(), BoxError> {
    encrypt_again(db, &keys.new, &keys.old).await
}

async fn encrypt_again(db: &mut SqliteConnection, from: &Key, to: &Key) -> Result<(), BoxError> {
    let mut last = i64::MIN;
    loop {
        let batch = "SELECT id, telephone FROM customers WHERE id > ? ORDER BY id LIMIT ?";
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(batch)
            .bind(last)
            .bind(BATCH)
            .fetch_all(&mut *db)
            .await?;
        let Some((id, _)) = rows.last() else {
            return Ok(());
        };
        last = *id;
        for (id, sealed) in rows {
            let again = to.seal(id, &from.open(id, &sealed)?)?;
            sqlx::query("UPDATE customers SET telephone = ? WHERE id = ?")
                .bind(again)
                .bind(id)
                .execute(&mut *db)
                .await?;
        }
    }
}
