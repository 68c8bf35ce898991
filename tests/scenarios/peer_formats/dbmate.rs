//! Folders of dbmate.

use flamingock::UndoTarget;
use flamingock::adopt::{Adoption, Tool};
use flamingock_tests::{count, done, execute, folder, try_execute};

use super::{NAME, fresh, modes, refused, runner};

const DBMATE: &[(&str, &str)] = &[
    (
        "20240131120000_users.sql",
        "-- migrate:up\nCREATE TABLE users (id INT);\nINSERT INTO done VALUES ('1');\n\n-- migrate:down\nDROP TABLE users;\n",
    ),
    (
        "20240131120001-orders.sql",
        "-- migrate:up transaction:false\nINSERT INTO done VALUES ('2');\n-- migrate:down\nDELETE FROM done WHERE what = '2';\n",
    ),
];

#[tokio::test]
async fn dbmate_folder_is_read_unchanged() {
    let (_database, pool) = fresh().await;
    let files = folder(DBMATE);
    runner(&pool, files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2"]);
    let modes = modes(&pool).await;
    assert_eq!(modes[1], "20240131120001-orders|none");
    if NAME != "MariaDB" {
        assert_eq!(modes[0], "20240131120000_users|shared");
    }
    runner(&pool, files)
        .undo(UndoTarget::Count(2))
        .await
        .unwrap();
    try_execute(&pool, "SELECT * FROM users").await.unwrap_err();
    assert_eq!(done(&pool).await, ["1"]);
}

#[tokio::test]
async fn dbmate_history_is_adopted() {
    let (_database, pool) = fresh().await;
    let files = folder(DBMATE);
    execute(
        &pool,
        "CREATE TABLE schema_migrations (version VARCHAR(128) PRIMARY KEY)",
    )
    .await;
    execute(
        &pool,
        "INSERT INTO schema_migrations VALUES ('20240131120000')",
    )
    .await;
    let adoption = || Adoption::of(Tool::Dbmate);
    let run = runner(&pool, files).adopt_first(adoption()).run();
    assert_eq!(run.await.unwrap().counts().newly_applied, 1);
    assert_eq!(done(&pool).await, ["2"]);
    // Both tools use the same table name.
    let error = runner(&pool, files)
        .adopt(&Adoption::of(Tool::GolangMigrate))
        .await;
    let error = format!("{:#}", error.unwrap_err());
    assert!(
        error.contains("could not be read as golang-migrate's"),
        "{error}"
    );
    execute(&pool, "DROP TABLE schema_migrations").await;
    execute(
        &pool,
        "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN)",
    )
    .await;
    let error = runner(&pool, files).adopt(&adoption()).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("one of golang-migrate"),
        "{error}"
    );
}

#[tokio::test]
async fn misspelled_dbmate_annotation_is_refused() {
    let (_database, pool) = fresh().await;
    let text =
        "-- migrate:up\nINSERT INTO done VALUES ('1');\n  -- migrate:down\nDELETE FROM done;\n";
    let error = refused(runner(&pool, folder(&[("1_a.sql", text)]))).await;
    assert!(error.contains("changes/1_a.sql:3: "), "{error}");
    let entries = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
    assert!(entries.is_err());
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 0);
}
