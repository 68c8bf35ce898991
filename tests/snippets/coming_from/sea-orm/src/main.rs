//! The program of `coming-from-sea-orm.md`.

use std::env;
use std::process::ExitCode;

use flamingock::adopt::{Adoption, Tool};
use flamingock::{BoxError, Runner, change, rollback};
use sqlx::{PgConnection, PgPool};

/// Creates the `users` table.
#[change(id = "m20240131_000001_create_users", order = "0001")]
async fn create_users(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE users (email TEXT PRIMARY KEY)")
        .execute(db)
        .await?;
    Ok(())
}

#[rollback(create_users)]
async fn drop_users(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DROP TABLE users").execute(db).await?;
    Ok(())
}

/// Creates the `orders` table.
#[change(id = "m20240131_000002_create_orders", order = "0002")]
async fn create_orders(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE orders (id BIGINT PRIMARY KEY, owner TEXT NOT NULL)")
        .execute(db)
        .await?;
    Ok(())
}

#[rollback(create_orders)]
async fn drop_orders(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DROP TABLE orders").execute(db).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let pool = PgPool::connect_lazy(&env::var("DATABASE_URL")?)?;
    // A new environment has no history: all changes are applied.
    let adoption = Adoption::of(Tool::SeaOrm).allow_empty();
    let runner = Runner::new(&pool).adopt_first(adoption);
    Ok(flamingock::cli::run(runner).await)
}
