//! `transactions.md`: the modes of a transaction.

use flamingock::{Runner, TargetSystem, change, changes};
use sqlx::{SqliteConnection, SqlitePool};

#[change(id = "create-invoices", order = "0001", target = "billing")]
async fn create_invoices(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE invoices (id INTEGER PRIMARY KEY)")
        .execute(db)
        .await?;
    Ok(())
}

/// Compacts the database. SQLite cannot do this in a transaction.
#[change(
    id = "compact",
    order = "0002",
    transaction = false,
    recovery = "retry"
)]
async fn compact(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("VACUUM").execute(db).await?;
    Ok(())
}

#[tokio::test]
async fn changes_run_in_their_databases() -> Result<(), Box<dyn std::error::Error>> {
    let audit = SqlitePool::connect("sqlite::memory:").await?;
    let billing = SqlitePool::connect("sqlite::memory:").await?;
    let report = Runner::new(&audit)
        .changes(changes![create_invoices, compact])
        .target(TargetSystem::sqlx("billing", &billing))
        .run()
        .await?;
    assert_eq!(report.counts().newly_applied, 2);
    Ok(())
}
