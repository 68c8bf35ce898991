//! Databases in memory, which end with their last connection: the remains of a change on it are
//! removed.

use flamingock::{Runner, change, changes};
use flamingock_tests::{done, execute, folder, query, strings};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Column, Executor, Row, SqliteConnection, SqlitePool};

async fn pools() -> [SqlitePool; 2] {
    let options = || SqlitePoolOptions::new().max_connections(1);
    let shared = options().connect("sqlite::memory:").await.unwrap();
    let own = SqliteConnectOptions::new().filename(":memory:");
    let own = options().connect_with(own).await.unwrap();
    for pool in [&shared, &own] {
        execute(
            pool,
            "CREATE TABLE done (what TEXT); CREATE TABLE kept (a INT)",
        )
        .await;
        execute(pool, "INSERT INTO kept VALUES (1)").await;
    }
    [shared, own]
}

#[change(id = "leaves", order = "0001", register = false)]
async fn leaves(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    db.fetch_one(sqlx::query("SELECT * FROM kept")).await?;
    query(db, "CREATE TABLE temp.done (what TEXT)").await?;
    query(db, "CREATE TEMP VIEW seen AS SELECT * FROM kept").await?;
    query(db, "PRAGMA recursive_triggers = 1").await.map(drop)
}

#[change(id = "finds", order = "0003", register = false)]
async fn finds(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let row = db.fetch_one(sqlx::query("SELECT * FROM kept")).await?;
    let name = row.columns()[0].name().to_owned();
    query(db, &format!("INSERT INTO done VALUES ('{name}')")).await?;
    let text = "INSERT INTO done SELECT recursive_triggers FROM pragma_recursive_triggers";
    query(db, text).await.map(drop)
}

#[tokio::test]
async fn next_change_finds_a_clean_session_in_memory() {
    for pool in pools().await {
        let file = "CREATE TABLE temp.other (what TEXT); ALTER TABLE kept RENAME a TO b;";
        let files = folder(&[("0002__renames.sql", file)]);
        let runner = Runner::new(&pool).changes(changes![leaves, finds]);
        runner.files(files).run().await.unwrap();
        assert_eq!(done(&pool).await, ["0", "b"]);
        let left = strings(&pool, "SELECT name FROM temp.sqlite_master").await;
        assert_eq!(left, Vec::<String>::new());
    }
}
