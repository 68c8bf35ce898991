//! SQLite: a statement that runs forever is stopped by everything that stops its change.

use std::time::Duration;

use flamingock::{
    Error, ErrorKind, LockOptions, Run, Runner, Stage, TargetSystem, change, changes, rollback,
    verify,
};
use flamingock_tests::{
    Backend as _, Gate, Sqlite, TestDatabase, audit, done, execute, folder, query, script,
    with_table,
};
use sqlx::{SqliteConnection, SqlitePool};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// An INSERT that is interrupted makes SQLite roll the whole transaction back.
const ENDLESS_INSERT: &str = "INSERT INTO done \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// Much less than any wait of Flamingock.
const SOON: Duration = Duration::from_secs(8);

async fn fresh() -> (TestDatabase<Sqlite>, SqlitePool) {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 2).await;
    (database, pool)
}

async fn fails_soon(run: Run) -> Error {
    let run = tokio::time::timeout(SOON, run).await;
    run.expect("the statement is stopped").unwrap_err()
}

/// Nothing continues to run, and nothing is locked.
async fn assert_at_rest(database: &TestDatabase<Sqlite>) {
    let pool = database.pool(1).await;
    execute(&pool, "PRAGMA busy_timeout = 2000").await;
    execute(&pool, "BEGIN EXCLUSIVE; COMMIT").await;
}

#[change(id = "endless", order = "001", timeout = "300ms", register = false)]
async fn endless(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('undone')").await?;
    query(db, ENDLESS).await.map(drop)
}

#[change(id = "endless", order = "001", timeout = "300ms", register = false)]
async fn endless_insert(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, ENDLESS_INSERT).await.map(drop)
}

#[change(
    id = "endless",
    order = "001",
    timeout = "300ms",
    target = "other",
    register = false
)]
async fn endless_there(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, ENDLESS_INSERT).await.map(drop)
}

#[tokio::test]
async fn timeout_stops_a_statement_in_a_transaction() {
    let file = |text: &str| script(&format!("-- flamingock: timeout=300ms\n{text};\n"));
    for insert in [false, true] {
        for atomic in [false, true] {
            for is_file in [false, true] {
                let (database, pool) = fresh().await;
                let mut runner = Runner::new(&pool);
                runner = match (is_file, insert) {
                    (true, true) => runner.files(file(ENDLESS_INSERT)),
                    (true, false) => runner.files(file(ENDLESS)),
                    (false, true) => runner.changes(changes![endless_insert]),
                    (false, false) => runner.changes(changes![endless]),
                };
                if atomic {
                    runner = runner.stage(Stage::new("default").atomic());
                }
                let error = fails_soon(runner.run()).await;
                assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
                assert!(format!("{error:#}").contains("timeout of 300ms"), "{error}");
                let id = if is_file { "script" } else { "endless" };
                let expected = [
                    format!("{id} 1 FAILED shared"),
                    format!("{id} 1 ROLLED_BACK shared"),
                ];
                assert_eq!(audit(&pool).await, expected);
                assert_eq!(done(&pool).await, Vec::<String>::new());
                assert_at_rest(&database).await;
            }
        }
    }
}

#[tokio::test]
async fn timeout_stops_a_statement_at_another_target() {
    let (_audited, pool) = fresh().await;
    let (database, other) = fresh().await;
    let runner = Runner::new(&pool)
        .target(TargetSystem::sqlx("other", &other))
        .changes(changes![endless_there]);
    let error = fails_soon(runner.run()).await;
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let expected = [
        "endless 1 STARTED separate",
        "endless 1 FAILED separate",
        "endless 1 ROLLED_BACK separate",
    ];
    assert_eq!(audit(&pool).await, expected);
    assert_at_rest(&database).await;
}

#[change(
    id = "plain",
    order = "001",
    transaction = false,
    timeout = "300ms",
    register = false
)]
async fn plain(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, ENDLESS_INSERT).await.map(drop)
}

#[rollback(plain)]
async fn not_plain(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('rolled back')")
        .await
        .map(drop)
}

#[tokio::test]
async fn timeout_stops_a_statement_without_a_transaction_and_the_rollback_runs() {
    let (database, pool) = fresh().await;
    let error = fails_soon(Runner::new(&pool).changes(changes![plain]).run()).await;
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let entries = audit(&pool).await;
    assert_eq!(
        entries[..2],
        ["plain 1 STARTED none", "plain 1 FAILED none"]
    );
    assert!(entries[2].starts_with("plain 1 ROLLED_BACK"), "{entries:?}");
    assert_eq!(done(&pool).await, ["rolled back"]);
    assert_at_rest(&database).await;

    let (database, pool) = fresh().await;
    let text = format!("-- flamingock: transaction=false, timeout=300ms\n{ENDLESS};\n");
    let error = fails_soon(Runner::new(&pool).files(script(&text)).run()).await;
    assert!(format!("{error:#}").contains("timeout of 300ms"), "{error}");
    assert_eq!(
        audit(&pool).await,
        ["script 1 STARTED none", "script 1 FAILED none"]
    );
    assert_at_rest(&database).await;
}

#[change(
    id = "reverts",
    order = "001",
    transaction = false,
    timeout = "300ms",
    register = false
)]
async fn reverts(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(reverts)]
async fn endless_rollback(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, ENDLESS_INSERT).await.map(drop)
}

#[tokio::test]
async fn timeout_stops_a_rollback() {
    let (database, pool) = fresh().await;
    let error = fails_soon(Runner::new(&pool).changes(changes![reverts]).run()).await;
    assert!(format!("{error:#}").contains("timeout of 300ms"), "{error}");
    let entries = audit(&pool).await;
    assert_eq!(
        entries[..2],
        ["reverts 1 STARTED none", "reverts 1 FAILED none"]
    );
    assert!(
        entries[2].starts_with("reverts 1 ROLLBACK_FAILED"),
        "{entries:?}"
    );
    assert_at_rest(&database).await;
}

#[change(
    id = "asked",
    order = "001",
    transaction = false,
    timeout = "300ms",
    register = false
)]
async fn asked(_db: &mut SqliteConnection) {}

#[verify(asked)]
async fn endless_answer(db: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    query(db, ENDLESS).await.map(|_| true)
}

#[tokio::test]
async fn timeout_stops_a_verify_function() {
    let (database, pool) = fresh().await;
    let runner = || Runner::new(&pool).changes(changes![asked]);
    runner().run().await.unwrap();
    execute(
        &pool,
        "DELETE FROM flamingock_audit WHERE state = 'APPLIED'",
    )
    .await;
    execute(&pool, "UPDATE flamingock_lock SET pipeline_digest = NULL").await;
    let error = fails_soon(runner().run()).await;
    assert!(format!("{error:#}").contains("timeout of 300ms"), "{error}");
    assert_at_rest(&database).await;
}

#[change(id = "stopped", order = "001", register = false)]
async fn stopped(db: &mut SqliteConnection, gate: &Gate) -> Result<(), sqlx::Error> {
    gate.pass().await;
    query(db, ENDLESS_INSERT).await.map(drop)
}

#[tokio::test]
async fn stopped_run_stops_its_statement() {
    let (database, pool) = fresh().await;
    let gate = Gate::default();
    gate.open();
    let asked = gate.clone();
    let run = Runner::new(&pool)
        .changes(changes![stopped])
        .provide(gate)
        .run()
        .cancel_on(async move {
            asked.reached().await;
            tokio::task::yield_now().await;
        });
    let error = fails_soon(run).await;
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(
        audit(&pool).await,
        ["stopped 1 FAILED shared", "stopped 1 ROLLED_BACK shared"]
    );
    assert_at_rest(&database).await;
}

#[change(id = "reads", order = "001", transaction = false, register = false)]
async fn reads(db: &mut SqliteConnection, gate: &Gate) -> Result<(), sqlx::Error> {
    gate.pass().await;
    query(db, ENDLESS).await.map(drop)
}

#[tokio::test]
async fn run_that_loses_its_lock_stops_its_statement() {
    let (database, pool) = fresh().await;
    let gate = Gate::default();
    gate.open();
    let lock = LockOptions::default().lease(Duration::from_secs(3));
    let runner = Runner::new(&pool)
        .changes(changes![reads])
        .provide(gate.clone())
        .lock(lock);
    let run = tokio::spawn(runner.run());
    gate.reached().await;
    let steal = "UPDATE flamingock_lock SET fencing_token = fencing_token + 1, run_id = 'thief'";
    execute(&pool, steal).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), run).await;
    let error = ended.expect("it ends").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_at_rest(&database).await;
}

/// The next user gets a connection as good as new.
#[tokio::test]
async fn stopped_change_does_not_stop_the_next_one() {
    let (_database, pool) = fresh().await;
    let error = fails_soon(Runner::new(&pool).changes(changes![endless]).run()).await;
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let many = "INSERT INTO done WITH RECURSIVE n(i) AS \
        (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n;\n";
    let files = folder(&[("0001__many.sql", many), ("0002__more.sql", many)]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await.len(), 200_000);
}
