//! Databases on which ROLLBACK does not undo everything.

use flamingock::{Runner, Stage, TargetSystem, change, changes};
use flamingock_tests::{
    Backend as _, MariaDb, Sqlite, audit, done, execute, query, script, strings, try_execute,
    with_table,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{MySqlConnection, SqliteConnection};

#[change(id = "stays", order = "001", register = false)]
async fn stays(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('undone')").await?;
    query(db, "INSERT INTO plain VALUES ('stays')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[change(id = "stays", order = "001", target = "other", register = false)]
async fn stays_there(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    stays_in(db).await
}

async fn stays_in(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO plain VALUES ('stays')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[change(id = "conflicts", order = "001", register = false)]
async fn conflicts(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO plain VALUES ('stays')").await?;
    query(db, "SELECT * FROM done FOR UPDATE").await.map(drop)
}

const PLAIN: &str = "CREATE TABLE plain (what VARCHAR(20)) ENGINE=MyISAM";

/// Session settings that hide the server's warnings, or end the session.
const SETTINGS: [&str; 4] = [
    "SET SESSION max_error_count = DEFAULT",
    "SET SESSION max_error_count = 0",
    "SET SESSION completion_type = 1",
    "SET SESSION completion_type = 2",
];

#[tokio::test]
async fn rows_in_a_table_without_transactions_are_not_recorded_as_rolled_back() {
    for setting in SETTINGS {
        for atomic in [false, true] {
            let database = MariaDb::fresh().await;
            with_table(&database, 1).await;
            let pool = database.pool_with_hook(2, setting).await;
            execute(&pool, PLAIN).await;
            let mut runner = Runner::new(&pool).changes(changes![stays]);
            if atomic {
                runner = runner.stage(Stage::new("default").atomic());
            }
            let error = runner.run().await.unwrap_err();
            assert!(
                format!("{error:#}").contains("was not rolled back"),
                "{setting}: {error}"
            );
            assert!(
                format!("{error:#}").contains("ENGINE"),
                "{setting}: {error}"
            );
            assert_eq!(audit(&pool).await, ["stays 1 FAILED none"], "{setting}");
            assert_eq!(done(&pool).await, Vec::<String>::new(), "{setting}");
            assert_eq!(strings(&pool, "SELECT what FROM plain").await, ["stays"]);
        }
    }
}

#[tokio::test]
async fn rows_of_a_file_in_a_table_without_transactions_are_not_recorded_as_rolled_back() {
    let database = MariaDb::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, PLAIN).await;
    let file = script("INSERT INTO plain VALUES ('stays');\nSELECT * FROM nowhere;\n");
    let error = Runner::new(&pool).files(file).run().await.unwrap_err();
    assert!(format!("{error:#}").contains("ENGINE"), "{error}");
    assert_eq!(audit(&pool).await, ["script 1 FAILED none"]);
}

#[tokio::test]
async fn rows_at_another_target_without_transactions_are_not_recorded_as_rolled_back() {
    let databases = [MariaDb::fresh().await, MariaDb::fresh().await];
    let pool = with_table(&databases[0], 2).await;
    let other = with_table(&databases[1], 2).await;
    execute(&other, PLAIN).await;
    let error = Runner::new(&pool)
        .target(TargetSystem::sqlx("other", &other))
        .changes(changes![stays_there])
        .run()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("ENGINE"), "{error}");
    assert_eq!(
        audit(&pool).await,
        ["stays 1 STARTED separate", "stays 1 FAILED none"]
    );
}

/// The remaining rows would exist twice.
#[tokio::test]
async fn change_that_left_rows_is_not_retried_after_a_conflict() {
    let database = MariaDb::fresh().await;
    with_table(&database, 1).await;
    let briefly = "SET SESSION innodb_lock_wait_timeout = 1";
    let pool = database.pool_with_hook(3, briefly).await;
    execute(&pool, PLAIN).await;
    execute(&pool, "INSERT INTO done VALUES ('row')").await;
    let mut holds = pool.begin().await.unwrap();
    query(&mut *holds, "SELECT * FROM done FOR UPDATE")
        .await
        .unwrap();
    let error = Runner::new(&pool)
        .changes(changes![conflicts])
        .run()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("ENGINE"), "{error}");
    assert_eq!(strings(&pool, "SELECT what FROM plain").await, ["stays"]);
    assert_eq!(audit(&pool).await, ["conflicts 1 FAILED none"]);
}

#[change(id = "no-journal", order = "001", register = false)]
async fn no_journal(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('stays')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[change(id = "no-journal", order = "001", target = "other", register = false)]
async fn no_journal_there(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('stays')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

/// SQLite documents ROLLBACK as undefined in that mode.
#[tokio::test]
async fn without_a_journal_no_change_runs_in_a_transaction() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 2).await;
    let options: SqliteConnectOptions = database.url.parse().unwrap();
    let options = options.journal_mode(SqliteJournalMode::Off);
    let off = SqlitePoolOptions::new()
        .connect_with(options)
        .await
        .unwrap();
    let file = || script("INSERT INTO done VALUES ('stays');\nSELECT * FROM nowhere;\n");
    for runner in [
        Runner::new(&off).changes(changes![no_journal]),
        Runner::new(&off).files(file()),
        Runner::new(&off)
            .changes(changes![no_journal])
            .stage(Stage::new("default").atomic()),
    ] {
        let error = format!("{:#}", runner.run().await.unwrap_err());
        assert!(error.contains("journal_mode"), "{error}");
        assert_eq!(done(&pool).await, Vec::<String>::new());
        let audit = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
        assert!(audit.is_err(), "nothing is created either");
    }
    let audited = Sqlite::fresh().await;
    let audited = audited.pool(1).await;
    let error = Runner::new(&audited)
        .target(TargetSystem::sqlx("other", &off))
        .changes(changes![no_journal_there])
        .run()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("journal_mode"), "{error:#}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
}

#[change(id = "switches-off", order = "001", register = false)]
async fn switches_off(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    query(db, "PRAGMA journal_mode = OFF").await?;
    query(db, "INSERT INTO done VALUES ('stays')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[tokio::test]
async fn change_that_switches_the_journal_off_is_not_recorded_as_rolled_back_if_rows_stay() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 1).await;
    Runner::new(&pool)
        .changes(changes![switches_off])
        .run()
        .await
        .unwrap_err();
    let states = strings(&pool, "SELECT state FROM flamingock_audit").await;
    assert_eq!(
        states.contains(&"ROLLED_BACK".to_owned()),
        done(&pool).await.is_empty(),
        "{states:?}"
    );
}
