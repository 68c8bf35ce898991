//! The application before the switch: sqlx applies the folder at each start.

use std::error::Error;
use std::path::Path;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = SqlitePool::connect("sqlite://shop.db?mode=rwc").await?;
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    Migrator::new(folder).await?.run(&pool).await?;
    let customers = "SELECT count(*) FROM customers";
    let customers: i64 = sqlx::query_scalar(customers).fetch_one(&pool).await?;
    println!("the shop has {customers} customers");
    Ok(())
}
