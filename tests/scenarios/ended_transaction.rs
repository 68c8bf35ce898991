//! Changes that end their own transaction.

use flamingock::{ErrorKind, Outcome, Runner, change, changes, rollback};
use flamingock_tests::{Backend as _, audit, done, query, with_table};

use super::{Backend, Connection};

#[change(id = "commits", order = "001", register = false)]
async fn commits(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "COMMIT").await?;
    query(db, "INSERT INTO done VALUES ('after')")
        .await
        .map(drop)
}

#[change(id = "commits-and-begins", order = "001", register = false)]
async fn commits_and_begins(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "COMMIT; BEGIN").await?;
    query(db, "INSERT INTO done VALUES ('after')")
        .await
        .map(drop)
}

#[change(id = "rolls-back", order = "001", register = false)]
async fn rolls_back(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "ROLLBACK").await.map(drop)
}

#[change(id = "commits-and-fails", order = "001", register = false)]
async fn commits_and_fails(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('before')").await?;
    query(db, "COMMIT").await?;
    query(db, "SELECT * FROM nowhere").await.map(drop)
}

#[rollback(commits_and_fails)]
async fn undo(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

/// MariaDB commits at every DDL statement, so a COMMIT makes no difference: the change counts as
/// non-transactional.
const COMMITS_MIDWAY: bool = cfg_is_mariadb();

const fn cfg_is_mariadb() -> bool {
    matches!(
        <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
        b"MariaDB"
    )
}

#[tokio::test]
async fn commit_inside_a_change_is_detected() {
    for change in [changes![commits][0], changes![commits_and_begins][0]] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = || Runner::new(&pool).changes([change]);
        if COMMITS_MIDWAY {
            let report = runner().run().await.unwrap();
            assert!(
                report
                    .to_string()
                    .contains("counts as one without transaction"),
                "{report}"
            );
            assert_eq!(
                audit(&pool).await,
                [format!("{} 1 APPLIED none", change.id)]
            );
            assert_eq!(done(&pool).await, ["after", "before"]);
            continue;
        }
        let error = runner().run().await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::ChangesFailed | ErrorKind::Issues),
            "{error}"
        );
        assert!(
            format!("{error:#}").contains("the change ended the transaction"),
            "{error}"
        );
        assert_eq!(audit(&pool).await, [format!("{} 1 FAILED none", change.id)]);
        // Committed effects need manual resolution.
        let again = runner().run().await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Issues, "{again}");
        assert_eq!(audit(&pool).await.len(), 1);
    }
}

#[tokio::test]
async fn rollback_inside_a_change_is_detected() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![rolls_back])
        .run()
        .await
        .unwrap_err();
    let report = error.report().unwrap();
    assert!(matches!(
        report.changes().next().unwrap().outcome,
        Outcome::Failed | Outcome::RolledBack
    ));
    assert!(audit(&pool).await[0].starts_with("rolls-back 1 FAILED "));
    assert_eq!(done(&pool).await, Vec::<String>::new());
}

#[tokio::test]
async fn change_that_committed_and_failed_is_reversed_by_its_rollback() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = Runner::new(&pool)
        .changes(changes![commits_and_fails])
        .run()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("nowhere"), "{error}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let rows = audit(&pool).await;
    assert_eq!(
        rows,
        [
            "commits-and-fails 1 FAILED none",
            "commits-and-fails 1 ROLLED_BACK shared"
        ]
    );
    let report = error.report().unwrap();
    assert_eq!(report.counts().rolled_back, 1, "{report}");
}
