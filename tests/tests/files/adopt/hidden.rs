//! PostgreSQL only: rows that a user cannot see.

use flamingock::adopt::{Adoption, Tool};
use flamingock::{Runner, change, changes};
use flamingock_tests::{Backend as _, Postgres, done, execute, query, with_table};
use sqlx::PgConnection;

#[change(id = "0001_create_users", order = "001", register = false)]
async fn users(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('users')")
        .await
        .map(drop)
}

#[tokio::test]
async fn history_hidden_by_row_security_is_refused() {
    let database = Postgres::fresh().await;
    let watch = with_table(&database, 2).await;
    crate::adopt::peers::sqlx(&watch).await;
    let role = format!("app_{:08x}", rand::random::<u32>());
    for statement in [
        format!("CREATE ROLE {role}"),
        format!("GRANT ALL ON SCHEMA public TO {role}"),
        format!("GRANT ALL ON done, _sqlx_migrations TO {role}"),
        "ALTER TABLE _sqlx_migrations ENABLE ROW LEVEL SECURITY".to_owned(),
    ] {
        execute(&watch, &statement).await;
    }
    let set = format!("SET ROLE {role}");
    let pool = database.pool_with_hook(2, &set).await;
    let runner = Runner::new(&pool)
        .changes(changes![users])
        .adopt_first(Adoption::of(Tool::Sqlx).allow_empty());
    let error = format!("{:#}", runner.run().await.unwrap_err());
    assert!(error.contains("row security hides rows"), "{error}");
    assert!(done(&watch).await.is_empty());
    pool.close().await;
    execute(&watch, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
