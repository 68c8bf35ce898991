//! `backfill.md`: a large table in short transactions, outside of the deployment.

use flamingock::{BoxError, Context, Runner, change, changes};
use sqlx::SqlitePool;

/// Fills `orders.currency` in batches, so that no transaction is long.
#[change(
    id = "fill-currency",
    order = "0001",
    recovery = "retry",
    register = false
)]
async fn fill_currency(pool: &SqlitePool, context: &Context) -> Result<(), BoxError> {
    while !context.is_cancelled() {
        let batch = sqlx::query(
            "UPDATE orders SET currency = 'EUR'
             WHERE id IN (SELECT id FROM orders WHERE currency IS NULL LIMIT 1000)",
        );
        if batch.execute(pool).await?.rows_affected() == 0 {
            return Ok(());
        }
    }
    Err("stopped; the next run continues".into())
}

async fn backfill(pool: &SqlitePool) -> Result<(), flamingock::Error> {
    Runner::new(pool)
        .service("orders-backfill")
        .changes(changes![fill_currency])
        .run()
        .await?;
    Ok(())
}

#[tokio::test]
async fn every_row_is_filled() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY, currency TEXT)")
        .execute(&pool)
        .await?;
    sqlx::query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2500) INSERT INTO orders (id) SELECT i FROM n")
        .execute(&pool)
        .await?;
    backfill(&pool).await?;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE currency IS NULL")
        .fetch_one(&pool)
        .await?;
    assert_eq!(open, 0);
    Ok(())
}
