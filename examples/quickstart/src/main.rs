//! The smallest application: two changes in a SQLite file.

use flamingock::change;
use sqlx::{SqliteConnection, SqlitePool};

/// Creates the `users` table.
#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE users (email TEXT PRIMARY KEY)")
        .execute(db)
        .await?;
    Ok(())
}

/// Adds the first user.
#[change(id = "first-user", order = "0002")]
async fn first_user(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO users VALUES ('ada@example.com')")
        .execute(db)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite:quickstart.db?mode=rwc").await?;
    println!("{}", flamingock::run(&pool).await?);
    Ok(())
}
