//! The smallest application: two changes in PostgreSQL.

use flamingock::change;
use sqlx::{PgConnection, PgPool};

/// Creates the `users` table.
#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE users (email TEXT PRIMARY KEY)")
        .execute(db)
        .await?;
    Ok(())
}

/// Adds the first user.
#[change(id = "first-user", order = "0002")]
async fn first_user(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO users VALUES ('ada@example.com')")
        .execute(db)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    println!("{}", flamingock::run(&pool).await?);
    Ok(())
}
