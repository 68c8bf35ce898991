//! `databases.md`: the names of the tables.

use flamingock::{Runner, TableNames, change, changes};
use sqlx::SqlitePool;

#[change(id = "warm-cache", order = "0001")]
async fn warm_cache() {}

#[tokio::test]
async fn tables_have_a_prefix() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    let tables = TableNames::default().prefix("app_changes_");
    let runner = Runner::new(&pool).tables(tables);

    runner.changes(changes![warm_cache]).run().await?;
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM app_changes_audit ORDER BY seq")
            .fetch_all(&pool)
            .await?;
    assert_eq!(states, ["STARTED", "APPLIED"]);
    Ok(())
}
