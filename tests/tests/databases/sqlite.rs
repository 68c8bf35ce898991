//! SQLite only.

use flamingock::{Batch, ErrorKind, Next, Runner, change, changes};
use flamingock_tests::{Backend as _, Sqlite, audit, done, execute, folder, query, with_table};
use sqlx::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

#[change(id = "rolls-back", order = "001", register = false)]
async fn rolls_back(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE once (what TEXT UNIQUE)").await?;
    query(db, "INSERT INTO once VALUES ('x')").await?;
    query(db, "INSERT OR ROLLBACK INTO once VALUES ('x')")
        .await
        .map(drop)
}

#[tokio::test]
async fn transaction_rolled_back_by_the_database_leaves_nothing() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 1).await;
    for _ in 0..2 {
        let error = Runner::new(&pool)
            .changes(changes![rolls_back])
            .run()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
        assert!(format!("{error:#}").contains("UNIQUE"), "{error}");
    }
    let expected = [
        "rolls-back 1 FAILED shared",
        "rolls-back 1 ROLLED_BACK shared",
        "rolls-back 2 FAILED shared",
        "rolls-back 2 ROLLED_BACK shared",
    ];
    assert_eq!(audit(&pool).await, expected);
}

#[change(id = "commits", order = "001", register = false)]
async fn commits(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('kept')").await?;
    query(db, "COMMIT").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[tokio::test]
async fn transaction_committed_by_the_change_leaves_its_effects() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![commits])
        .run()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("must not send COMMIT"),
        "{error}"
    );
    assert_eq!(audit(&pool).await, ["commits 1 FAILED none"]);
    assert_eq!(done(&pool).await, ["kept"]);
}

#[tokio::test]
async fn database_in_memory_outlives_session_settings_of_a_file() {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await.unwrap();
    execute(&pool, "CREATE TABLE done (what TEXT)").await;
    let files = folder(&[
        (
            "0001__set.sql",
            "PRAGMA foreign_keys = 1; INSERT INTO done VALUES ('1');",
        ),
        ("0002__next.sql", "INSERT INTO done VALUES ('2');"),
    ]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2"]);
}

#[change(id = "large", order = "001", batch, register = false)]
async fn large(batch: Batch<i64>, db: &mut SqliteConnection) -> Result<Next<i64>, sqlx::Error> {
    // Longer than the time after which the log is copied, in three batches.
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    query(db, "INSERT INTO done VALUES (hex(zeroblob(200000)))").await?;
    Ok(match batch.cursor().copied().unwrap_or(1) {
        5 => Next::finished(),
        number => Next::after(number + 1),
    })
}

#[tokio::test]
async fn write_ahead_log_is_copied_between_batches() {
    let database = Sqlite::fresh().await;
    let file = database.url.trim_start_matches("sqlite://");
    let file = file.split('?').next().unwrap().to_owned();
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("wal_autocheckpoint", "0");
    let pool = SqlitePoolOptions::new()
        .connect_with(options)
        .await
        .unwrap();
    execute(&pool, "CREATE TABLE done (what TEXT)").await;
    let runner = Runner::new(&pool).changes(changes![large]);
    runner.run().await.unwrap();
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size > 400_000, "{size}");
}
