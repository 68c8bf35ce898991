//! An application runs its changes, once and again.

use flamingock::{Outcome, Runner, change, changes};
use flamingock_tests::{Backend as _, audit, count, done, query, strings, with_table};

use super::{Backend, Connection};

/// Users can sign in.
#[change(id = "hundreds", order = "999", author = "ada", register = false)]
async fn hundreds(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('hundreds')")
        .await
        .map(drop)
}

#[change(id = "thousands", order = "1000", register = false)]
async fn thousands(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done SELECT what FROM done")
        .await
        .map(drop)
}

#[change(id = "more", order = "1001", register = false)]
async fn more(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('more')")
        .await
        .map(drop)
}

#[tokio::test]
async fn changes_run_in_natural_order_of_any_list() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![thousands, hundreds]);
    let report = runner().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 2);
    assert!(report.is_success() && !report.is_up_to_date());
    assert_eq!(
        audit(&pool).await,
        ["hundreds 1 APPLIED shared", "thousands 1 APPLIED shared"]
    );
    assert_eq!(done(&pool).await, ["hundreds", "hundreds"]);

    let again = runner().run().await.unwrap();
    assert!(again.is_up_to_date());
    assert_eq!(again.to_string(), "default: up to date, 2 changes applied");
    assert_eq!(audit(&pool).await.len(), 2);
    assert_ne!(again.run_id, report.run_id);
}

#[tokio::test]
async fn entry_records_author_change_host_and_time() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = Runner::new(&pool)
        .changes(changes![hundreds])
        .service("orders");
    let runner = runner
        .app_version("1.2.3")
        .metadata("git_commit", "0a1b2c")
        .metadata("pod", "it's \"a\\b\"");
    let report = runner.run().await.unwrap();
    let columns = "service, run_id, attempt, stage, change_id, change_order, author, description, target, state,
        transaction_mode, recovery, origin, fencing_token, pid, app_version, metadata, error, reason";
    let rows = strings(
        &pool,
        &format!("SELECT {columns} FROM flamingock_audit WHERE state = 'APPLIED'"),
    )
    .await;
    let pid = std::process::id();
    let run_id = &report.run_id;
    assert_eq!(
        rows,
        [format!(
            "orders|{run_id}|1|default|hundreds|999|ada|Users can sign in.|default|APPLIED|shared|manual|run|1|{pid}|1.2.3|{{\"git_commit\":\"0a1b2c\",\"pod\":\"it's \\\"a\\\\b\\\"\"}}|NULL|NULL"
        )]
    );
    let place = strings(&pool, "SELECT location, digest, host FROM flamingock_audit").await;
    assert!(
        place[0].contains("scenarios/repeated_runs.rs:"),
        "{place:?}"
    );
    assert!(
        place[0].contains("|v1:") && !place[0].ends_with('|'),
        "{place:?}"
    );
    let sane =
        "SELECT count(*) FROM flamingock_audit WHERE duration_us > 0 AND finished_at >= started_at";
    assert_eq!(count(&pool, sane).await, 1);
}

#[tokio::test]
async fn report_adds_up() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    Runner::new(&pool)
        .changes(changes![hundreds])
        .run()
        .await
        .unwrap();
    let report = Runner::new(&pool)
        .changes(changes![hundreds, thousands, more])
        .run()
        .await
        .unwrap();
    let counts = report.counts();
    assert_eq!(
        (counts.total, counts.already_applied, counts.newly_applied),
        (3, 1, 2)
    );
    let outcomes: Vec<_> = report.changes().map(|change| change.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::AlreadyApplied,
            Outcome::NewlyApplied,
            Outcome::NewlyApplied
        ]
    );
    let text = report.to_string();
    assert!(
        text.starts_with("default: 2 newly applied, 1 already applied in "),
        "{text}"
    );
    assert!(
        text.contains("\n  newly applied   1000 thousands ("),
        "{text}"
    );
    assert!(!text.contains("999 hundreds"), "{text}");
}

#[tokio::test]
async fn two_alternating_binaries_apply_nothing_twice() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let old = || Runner::new(&pool).changes(changes![hundreds]);
    let new = || Runner::new(&pool).changes(changes![hundreds, more]);
    new().run().await.unwrap();
    for _ in 0..2 {
        let report = old().run().await.unwrap();
        assert!(report.is_up_to_date());
        let missing: Vec<_> = report
            .missing
            .iter()
            .map(|change| change.id.as_str())
            .collect();
        assert_eq!(missing, ["more"]);
        assert!(new().run().await.unwrap().is_up_to_date());
    }
    assert_eq!(audit(&pool).await.len(), 2);
}

#[tokio::test]
async fn empty_list_is_up_to_date_and_touches_nothing() {
    let database = Backend::fresh().await;
    let pool = database.pool(1).await;
    assert!(
        Runner::new(&pool)
            .changes(changes![])
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
    let touched = flamingock_tests::try_execute(&pool, "SELECT 1 FROM flamingock_lock").await;
    assert!(touched.is_err());
}

/// Flamingock stores texts of any length, whatever columns the database has for them.
#[change(
    id = "wordy",
    order = "001",
    author = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    register = false
)]
async fn wordy(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('wordy')")
        .await
        .map(drop)
}

#[tokio::test]
async fn long_texts_of_the_application_are_accepted() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let runner = Runner::new(&pool)
        .changes(changes![wordy])
        .app_version("1".repeat(1000));
    runner
        .metadata("all", "m".repeat(100_000))
        .run()
        .await
        .unwrap();
    assert_eq!(audit(&pool).await, ["wordy 1 APPLIED shared"]);
}
