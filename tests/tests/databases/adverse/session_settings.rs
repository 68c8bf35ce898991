//! Session settings on MariaDB that an application may have chosen for all its connections.

use flamingock::{BoxError, ErrorKind, Runner, Stage, TargetSystem, change, changes, rollback};
use flamingock_tests::{Backend, MariaDb, Sqlite, audit, done, query, with_table};
use sqlx::MySqlConnection;

/// The statements of `after_connect` on each connection.
const SETTINGS: [&str; 2] = [
    "SET completion_type = 'CHAIN'",
    "SET completion_type = 'RELEASE'",
];

#[change(id = "shared", order = "001", register = false)]
async fn shared(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('shared')")
        .await
        .map(drop)
}

#[change(id = "plain", order = "002", transaction = false, register = false)]
async fn plain(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[change(id = "undone", order = "003", transaction = false, register = false)]
async fn undone(db: &mut MySqlConnection) -> Result<(), BoxError> {
    query(db, "INSERT INTO done VALUES ('undone')").await?;
    Err("no further".into())
}

#[rollback(undone)]
async fn undo(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done WHERE what = 'undone'")
        .await
        .map(drop)
}

#[change(id = "seed", order = "001", stage = "seed", register = false)]
async fn seed(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('seed')")
        .await
        .map(drop)
}

/// Reported changes are visible to every session, and remain when the connections are closed.
#[tokio::test]
async fn reported_changes_are_committed_under_any_session_setting() {
    for setting in SETTINGS {
        let database = MariaDb::fresh().await;
        let watch = with_table(&database, 1).await;
        let pool = database.pool_with_hook(3, setting).await;
        let runner = Runner::new(&pool)
            .stage(Stage::new("seed").atomic())
            .changes(changes![shared, plain, undone, seed]);
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{setting}: {error}");
        let counts = error.report().unwrap().counts();
        assert_eq!(
            (counts.newly_applied, counts.rolled_back),
            (3, 1),
            "{setting}: {error}"
        );
        pool.close().await;
        assert_eq!(done(&watch).await, ["plain", "seed", "shared"], "{setting}");
        let mut expected = [
            "shared 1 APPLIED shared",
            "plain 1 STARTED none",
            "plain 1 APPLIED none",
            "undone 1 STARTED none",
            "undone 1 FAILED none",
            "undone 1 ROLLED_BACK shared",
            "seed 1 APPLIED shared",
        ];
        let mut entries = audit(&watch).await;
        expected.sort_unstable();
        entries.sort_unstable();
        assert_eq!(entries, expected, "{setting}");
        let pool = database.pool_with_hook(3, setting).await;
        let runner = Runner::new(&pool)
            .stage(Stage::new("seed").atomic())
            .changes(changes![shared, plain, seed]);
        assert!(runner.run().await.unwrap().is_up_to_date(), "{setting}");
    }
}

#[change(
    id = "elsewhere",
    order = "001",
    transaction = false,
    target = "other",
    register = false
)]
async fn elsewhere(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('elsewhere')")
        .await
        .map(drop)
}

#[change(id = "marked", order = "002", target = "other", register = false)]
async fn marked(db: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('marked')")
        .await
        .map(drop)
}

/// An uncommitted change is no success; a transaction that ends with a marker is committed by
/// Flamingock.
#[tokio::test]
async fn target_whose_sessions_do_not_autocommit_is_refused() {
    let own = Sqlite::fresh().await;
    let pool = own.pool(2).await;
    let database = MariaDb::fresh().await;
    let watch = with_table(&database, 1).await;
    let other = database.pool_with_hook(3, "SET autocommit = 0").await;
    let runner = || Runner::new(&pool).target(TargetSystem::sqlx("other", &other));
    let error = runner().changes(changes![elsewhere]).run().await;
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("left a transaction open"), "{error}");
    let report = runner().changes(changes![marked]).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    other.close().await;
    assert_eq!(done(&watch).await, ["marked"]);
    let expected = [
        "elsewhere 1 STARTED none",
        "elsewhere 1 FAILED none",
        "marked 1 STARTED separate",
        "marked 1 APPLIED separate",
    ];
    assert_eq!(audit(&pool).await, expected);
}
