//! `zero-downtime.md` and `roles.md`: their statements run on PostgreSQL.

use flamingock::{Runner, UndoTarget, include_files};
use flamingock_tests::{Backend, Postgres, execute, strings};

#[tokio::test]
async fn postgres_applies_expand_and_contract() -> Result<(), Box<dyn std::error::Error>> {
    let database = Postgres::fresh().await;
    let pool = database.pool(3).await;
    execute(
        &pool,
        "CREATE TABLE users (id BIGINT PRIMARY KEY, first_name TEXT, last_name TEXT)",
    )
    .await;
    execute(&pool, "INSERT INTO users VALUES (1, 'Ada', 'Lovelace')").await;
    let files = include_files!("snippets/zero_downtime", static, register = false);
    let runner = Runner::new(&pool).files(files);
    assert_eq!(runner.run().await?.counts().newly_applied, 6);
    let names = strings(&pool, "SELECT full_name FROM users").await;
    assert_eq!(names, ["Ada Lovelace"]);

    // The last change drops data, and has no rollback.
    let error = runner.undo(UndoTarget::Last).await.unwrap_err();
    assert!(error.to_string().contains("drop_old_names"), "{error}");
    Ok(())
}
