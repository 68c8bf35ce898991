//! `testing.md`.

use flamingock::{Runner, UndoTarget, change, changes, rollback, testing};
use sqlx::{SqliteConnection, SqlitePool};

#[change(id = "create-users", order = "0001")]
async fn create_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE users (email TEXT PRIMARY KEY)")
        .execute(db)
        .await?;
    Ok(())
}

#[rollback(create_users)]
async fn drop_users(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DROP TABLE users").execute(db).await?;
    Ok(())
}

#[tokio::test]
async fn rollbacks_leave_nothing_behind() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    let runner = Runner::new(&pool).changes(changes![create_users]);
    let applied = runner.run().await?.counts().newly_applied;
    runner.undo(UndoTarget::Count(applied)).await?;
    assert_eq!(runner.run().await?.counts().newly_applied, applied);
    Ok(())
}

/// A change is still a function.
#[tokio::test]
async fn users_table_has_an_email() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    let mut connection = pool.acquire().await?;
    create_users(&mut connection).await?;
    sqlx::query("INSERT INTO users VALUES ('ada@example.com')")
        .execute(&mut *connection)
        .await?;
    Ok(())
}

#[tokio::test]
async fn new_user_is_counted() -> Result<(), flamingock::BoxError> {
    let runner = |pool: &SqlitePool| Runner::new(pool).changes(changes![create_users]);
    let database = testing::database("sqlite::memory:", runner).await?;
    sqlx::query("INSERT INTO users VALUES ('ada@example.com')")
        .execute(&*database)
        .await?;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&*database)
        .await?;
    assert_eq!(count, 1);
    Ok(())
}
