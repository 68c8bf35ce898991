//! `quickstart.md`: a change that fails after its first statement.

use flamingock::change;
use sqlx::SqliteConnection;

/// Adds the second user.
#[change(id = "second-user", order = "0003")]
async fn second_user(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO users VALUES ('ben@example.com')")
        .execute(&mut *db)
        .await?;
    sqlx::query("INSERT INTO user VALUES ('eve@example.com')")
        .execute(db)
        .await?;
    Ok(())
}
