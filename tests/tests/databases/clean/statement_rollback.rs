//! Non-transactional code that rebuilds a table: the statement that would lose child rows is rolled
//! back.

use flamingock::{Runner, change, changes};
use flamingock_tests::{audit, query, strings};
use sqlx::{Connection, SqliteConnection};

use super::rebuild::{CHILDREN, REBUILD, assert_refused, fresh, prepared};

#[change(id = "forgets", order = "0001", transaction = false, register = false)]
async fn forgets(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, REBUILD).await.map(drop)
}

#[change(id = "own", order = "0001", transaction = false, register = false)]
async fn own(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = db.begin().await?;
    query(&mut *transaction, REBUILD).await?;
    transaction.commit().await
}

/// The error is for the caller.
#[change(
    id = "passes-over",
    order = "0001",
    transaction = false,
    register = false
)]
async fn passes_over(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let _ = query(db, "DROP TABLE parent").await;
    query(db, "SELECT 1").await.map(drop)
}

#[tokio::test]
async fn rebuild_by_code_without_transaction_is_rolled_back_by_its_statement() {
    for action in ["CASCADE", "SET NULL", "SET DEFAULT"] {
        for change in changes![forgets, own, passes_over] {
            let (_database, pool) = prepared(action, "", "").await;
            let runner = Runner::new(&pool).changes([change]);
            let error = runner.run().await.unwrap_err();
            assert_refused(&pool, error, &format!("{action} {}", change.id)).await;
            let last = format!("{} 1 FAILED none", change.id);
            assert_eq!(*audit(&pool).await.last().unwrap(), last, "{action}");
            assert_eq!(strings(&pool, "SELECT count(*) FROM parent").await, ["2"]);
        }
    }
}

#[change(id = "deletes", order = "0001", transaction = false, register = false)]
async fn deletes(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM parent").await?;
    query(db, "INSERT INTO parent VALUES (1, 'a')").await?;
    query(db, "INSERT INTO child VALUES (1, 1)").await?;
    let mut transaction = db.begin().await?;
    query(&mut *transaction, "DELETE FROM parent").await?;
    transaction.commit().await?;
    query(db, "INSERT INTO parent VALUES (1, 'a')").await?;
    query(db, "UPDATE parent SET name = 'c'").await?;
    query(db, "INSERT INTO child VALUES (1, 1)").await?;
    query(db, "DELETE FROM child").await?;
    query(db, "INSERT INTO parent VALUES (2, 'b'), (3, 'c')").await?;
    query(db, "PRAGMA foreign_keys = OFF").await?;
    query(db, REBUILD).await?;
    query(db, "PRAGMA foreign_keys = ON").await?;
    query(db, "INSERT INTO child VALUES (1, 1), (2, 2)").await?;
    query(db, "DELETE FROM parent WHERE id = 1").await?;
    query(db, "DELETE FROM child").await?;
    query(db, "DROP TABLE parent").await?;
    query(db, "PRAGMA foreign_keys = OFF").await?;
    query(db, "INSERT INTO child VALUES (5, 1)").await.map(drop)
}

#[change(id = "replaces", order = "0001", transaction = false, register = false)]
async fn replaces(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "REPLACE INTO parent VALUES (1, 'b')").await?;
    query(db, "DELETE FROM parent WHERE id = 2").await.map(drop)
}

/// The driver reports nothing about the row that is replaced.
#[change(
    id = "replaces-and-drops",
    order = "0001",
    transaction = false,
    register = false
)]
async fn replaces_and_drops(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "REPLACE INTO parent VALUES (1, 'b')").await?;
    query(db, "DROP TABLE parent").await.map(drop)
}

#[tokio::test]
async fn intended_deletion_by_code_without_transaction_is_kept() {
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![replaces]);
    runner.run().await.unwrap();
    assert_eq!(strings(&pool, CHILDREN).await, [""; 0]);
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![replaces_and_drops]);
    let error = runner.run().await.unwrap_err();
    assert!(error.to_string().contains("child"), "{error}");
    let (_database, pool) = fresh().await;
    let runner = Runner::new(&pool).changes(changes![deletes]);
    runner.run().await.unwrap();
    assert_eq!(strings(&pool, CHILDREN).await, ["5|1"]);
    assert_eq!(
        strings(
            &pool,
            "SELECT name FROM sqlite_master WHERE name LIKE 'flamingock_deleted%'"
        )
        .await,
        Vec::<String>::new()
    );
}
