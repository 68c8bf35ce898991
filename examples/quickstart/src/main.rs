//! The smallest application: two changes, one of them with a rollback, in a SQLite file.

use flamingock::{change, rollback};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// Creates the `users` table.
#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE)")
        .execute(db)
        .await?;
    Ok(())
}

#[rollback(create_users)]
async fn drop_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DROP TABLE users").execute(db).await?;
    Ok(())
}

/// Adds the first user.
#[change(id = "first-user", order = "0002")]
async fn first_user(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO users (email) VALUES ('ada@example.com')")
        .execute(db)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = SqliteConnectOptions::new()
        .filename("quickstart.db")
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;

    let report = flamingock::run(&pool).await?;
    println!("{report}");
    Ok(())
}
