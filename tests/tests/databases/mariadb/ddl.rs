//! DDL commits the statements before it.

use super::*;

#[change(id = "ddl", order = "001", register = false)]
async fn ddl(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "INSERT INTO done VALUES ('after')")
        .await
        .map(drop)
}

#[tokio::test]
async fn change_with_ddl_counts_as_one_without_transaction() {
    let (_database, pool) = fresh().await;
    let report = Runner::new(&pool)
        .changes(changes![ddl])
        .run()
        .await
        .unwrap();
    assert_eq!(
        report.changes().next().unwrap().notes,
        [Note::CommittedMidway]
    );
    assert_eq!(entries(&pool).await, ["STARTED|shared", "APPLIED|none"]);
    assert_eq!(done(&pool).await, ["after", "before"]);
    assert_as_new(&pool).await;
    assert!(
        Runner::new(&pool)
            .changes(changes![ddl])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
}

#[change(id = "temporary", order = "001", register = false)]
async fn temporary(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "CREATE TEMPORARY TABLE scratch (n INT)").await?;
    query(db, "INSERT INTO scratch VALUES (1)").await?;
    query(db, "DROP TEMPORARY TABLE scratch").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[tokio::test]
async fn temporary_table_keeps_the_transaction() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![temporary])
        .run()
        .await
        .unwrap_err();
    assert_eq!(
        entries(&pool).await,
        ["FAILED|shared", "ROLLED_BACK|shared"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[change(id = "fails-after-ddl", order = "001", register = false)]
async fn fails_after_ddl(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "INSERT INTO done VALUES ('after')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(fails_after_ddl)]
async fn drop_made(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE made").await.map(drop)
}

#[tokio::test]
async fn failure_after_ddl_is_reversed_by_the_rollback() {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool)
        .changes(changes![fails_after_ddl])
        .run()
        .await
        .unwrap_err();
    let report = error.report().unwrap();
    assert_eq!(
        report.changes().next().unwrap().outcome,
        Outcome::RolledBack,
        "{error}"
    );
    assert_eq!(
        entries(&pool).await,
        ["STARTED|shared", "FAILED|none", "ROLLED_BACK|none"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let made = "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'made'";
    assert_eq!(count(&pool, made).await, 0);
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_marker").await,
        0
    );
    assert_as_new(&pool).await;
}

#[change(id = "ddl-fails", order = "001", register = false)]
async fn ddl_fails(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "CREATE TABLE done (n INT)").await.map(drop)
}

#[rollback(ddl_fails)]
async fn remove_before(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'before'")
        .await
        .map(drop)
}

#[tokio::test]
async fn failed_ddl_commits_the_statements_before_it() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![ddl_fails])
        .run()
        .await
        .unwrap_err();
    assert_eq!(
        entries(&pool).await,
        ["STARTED|shared", "FAILED|none", "ROLLED_BACK|shared"]
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[change(id = "nested-after-ddl", order = "001", register = false)]
async fn nested_after_ddl(tx: &mut sqlx::Transaction<'_, sqlx::MySql>) -> Result<(), sqlx::Error> {
    query(&mut **tx, "CREATE TABLE made (n INT)").await?;
    let mut nested = tx.begin().await?;
    query(&mut *nested, "INSERT INTO done VALUES ('nested')").await?;
    nested.commit().await
}

/// There is no transaction left to nest in, and the driver reports that.
#[tokio::test]
async fn nested_transaction_after_ddl_is_a_failure_without_transaction() {
    let (_database, pool) = fresh().await;
    Runner::new(&pool)
        .changes(changes![nested_after_ddl])
        .run()
        .await
        .unwrap_err();
    assert_eq!(entries(&pool).await, ["STARTED|shared", "FAILED|none"]);
    assert_eq!(done(&pool).await, Vec::<String>::new());
    assert_as_new(&pool).await;
}

#[change(id = "both-fail", order = "001", register = false)]
async fn both_fail(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(both_fail)]
async fn fails_too(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE made").await?;
    query(db, "SELECT * FROM nowhere_else").await.map(drop)
}

#[tokio::test]
async fn rollback_that_fails_after_ddl_is_an_issue_and_leaves_no_marker() {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool)
        .changes(changes![both_fail])
        .run()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("nowhere_else"), "{error}");
    assert_eq!(
        entries(&pool).await,
        ["STARTED|shared", "FAILED|none", "ROLLBACK_FAILED|none"]
    );
    let error = Runner::new(&pool)
        .changes(changes![both_fail])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), flamingock::ErrorKind::Issues, "{error}");
    assert_eq!(
        count(&pool, "SELECT count(*) FROM flamingock_marker").await,
        0
    );
}

#[change(id = "halves", order = "001", stage = "first", register = false)]
async fn halves(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "CREATE TABLE made (n INT)").await?;
    query(db, "INSERT INTO nowhere VALUES (1)").await.map(drop)
}

#[rollback(halves)]
async fn drop_half(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DROP TABLE made").await?;
    query(db, "INSERT INTO done VALUES ('dropped')")
        .await
        .map(drop)
}

#[change(id = "breaks", order = "001", stage = "second", register = false)]
async fn breaks(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO nowhere VALUES (1)").await.map(drop)
}

#[change(id = "works", order = "001", stage = "third", register = false)]
async fn works(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('works')")
        .await
        .map(drop)
}

/// A pool of one connection has none to spare while a failure is recorded.
#[tokio::test]
async fn connection_of_a_failed_change_serves_the_next_one() {
    for connections in [1, 2] {
        let database = MariaDb::fresh().await;
        let pool = with_table(&database, connections).await;
        let error = Runner::new(&pool)
            .changes(changes![halves, breaks, works])
            .run()
            .await
            .unwrap_err();
        let outcomes: Vec<_> = error
            .report()
            .unwrap()
            .changes()
            .map(|change| change.outcome)
            .collect();
        let expected = [
            Outcome::RolledBack,
            Outcome::RolledBack,
            Outcome::NewlyApplied,
        ];
        assert_eq!(outcomes, expected, "{error}");
        assert_eq!(done(&pool).await, ["dropped", "works"]);
    }
}
