//! The texts of errors.

use flamingock::{Runner, change, changes};
use flamingock_tests::{audit, execute, folder, query, strings};
use sqlx::PgConnection;

use super::fresh;

#[change(id = "swallows", order = "001", register = false)]
async fn swallows(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('swallows')").await?;
    let _ = query(db, "SELECT * FROM nowhere").await;
    Ok(())
}

#[tokio::test]
async fn swallowed_error_fails_the_change() {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool)
        .changes(changes![swallows])
        .run()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("current transaction is aborted"),
        "{error}"
    );
    assert_eq!(
        audit(&pool).await,
        ["swallows 1 FAILED shared", "swallows 1 ROLLED_BACK shared"]
    );
}

#[change(
    id = "unique-names",
    order = "001",
    transaction = false,
    register = false
)]
async fn unique_names(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(
        db,
        "CREATE UNIQUE INDEX CONCURRENTLY unique_names ON done (what)",
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn invalid_concurrent_index_is_named_with_its_drop_statement() {
    let (_database, pool) = fresh().await;
    execute(&pool, "INSERT INTO done VALUES ('twice'), ('twice')").await;
    let runner = Runner::new(&pool).changes(changes![unique_names]);
    let error = runner.run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("the invalid index unique_names: drop it"),
        "{text}"
    );
    assert!(text.contains("could not create unique index"), "{text}");
}

/// An error of the application, like many: it repeats the text of its cause.
#[derive(Debug)]
struct Wrapped(sqlx::Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the copy failed: {}", self.0)
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[change(id = "plainly", order = "001", transaction = false, register = false)]
async fn plainly(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[change(id = "wrapped", order = "001", register = false)]
async fn wrapped(db: &mut PgConnection) -> Result<(), Wrapped> {
    let asked = query(db, "SELECT * FROM nowhere").await;
    asked.map(drop).map_err(Wrapped)
}

/// The line of the server's own source is not a line of the file.
#[tokio::test]
async fn error_omits_the_line_of_the_servers_source() {
    let missing = "relation \"nowhere\" does not exist";
    for changes in [changes![plainly], changes![wrapped]] {
        let (_database, pool) = fresh().await;
        let error = Runner::new(&pool).changes(changes).run().await.unwrap_err();
        assert!(format!("{error:#}").contains(missing), "{error}");
        assert!(!format!("{error:?} {error}").contains("at line"), "{error}");
        let recorded = "SELECT error FROM flamingock_audit WHERE error IS NOT NULL";
        let recorded = strings(&pool, recorded).await;
        assert!(recorded[0].contains("does not exist"), "{recorded:?}");
        assert!(!recorded[0].contains("at line"), "{recorded:?}");
    }
    let (_database, pool) = fresh().await;
    let files = folder(&[("0001__a.sql", "SELECT 1;\nSELECT * FROM nowhere;\n")]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert!(format!("{error:#}").contains(missing), "{error}");
    assert!(!format!("{error:?} {error}").contains("at line"), "{error}");
}

#[tokio::test]
async fn new_enum_value_used_at_once_gets_a_hint() {
    let (_database, pool) = fresh().await;
    execute(
        &pool,
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE moods (mood mood)",
    )
    .await;
    let text = "ALTER TYPE mood ADD VALUE 'happy';\nINSERT INTO moods VALUES ('happy');\n";
    let files = folder(&[("0001__a.sql", text)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("use it in a change of its own behind this one"),
        "{text}"
    );
    assert_eq!(
        audit(&pool).await,
        ["a 1 FAILED shared", "a 1 ROLLED_BACK shared"]
    );
}
