//! Names that users choose can look like placeholders of the library's SQL templates: they remain
//! data.

use flamingock::{Runner, change, changes, rollback};
use flamingock_tests::{Backend as _, audit, done, query, with_table};

use super::{Backend, Connection};

const NAMES: [&str; 11] = [
    "%tag%",
    "fl_%tag%",
    "{whose}",
    "{unless_ended}",
    "{fencing}",
    "{metadata}",
    "{began}",
    "{lock}",
    "$digest",
    "$service",
    "%id%",
];

#[change(id = "{audit} %tag% $digest", order = "001", register = false)]
async fn named(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('named')")
        .await
        .map(drop)
}

#[change(id = "%tag%", order = "002", transaction = false, register = false)]
async fn plain(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('plain')")
        .await
        .map(drop)
}

#[change(id = "{fencing}", order = "003", register = false)]
async fn fails(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('fails')").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(fails)]
async fn undo(_db: &mut Connection) {}

#[change(id = "commits", order = "003", register = false)]
async fn commits(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('kept')").await?;
    query(db, "COMMIT").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[tokio::test]
async fn names_that_look_like_placeholders_are_data() {
    for name in NAMES {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = || Runner::new(&pool).service(name);
        let good = || runner().changes(changes![named, plain]);
        assert_eq!(
            good().run().await.unwrap().counts().newly_applied,
            2,
            "{name}"
        );
        assert!(good().run().await.unwrap().is_up_to_date(), "{name}");
        let error = runner().changes(changes![named, plain, fails]).run().await;
        assert_eq!(
            error.unwrap_err().kind().as_str(),
            "changes_failed",
            "{name}"
        );
        assert_eq!(done(&pool).await, ["named", "plain"], "{name}");
        let entries = audit(&pool).await;
        assert_eq!(
            entries.last().unwrap(),
            "{fencing} 1 ROLLED_BACK shared",
            "{name}"
        );
    }
}

#[tokio::test]
async fn change_that_commits_is_recorded_under_any_service_name() {
    for name in NAMES {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = Runner::new(&pool).service(name).changes(changes![commits]);
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind().as_str(), "changes_failed", "{name}");
        assert_eq!(audit(&pool).await, ["commits 1 FAILED none"], "{name}");
        assert_eq!(done(&pool).await, ["kept"], "{name}");
    }
}
