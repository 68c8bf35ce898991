//! Repeatable changes: applied again when their definition changes.

use flamingock::report::Note;
use flamingock::{
    ErrorKind, Outcome, Policy, Rule, Runner, UndoTarget, change, changes, include_files,
};
use flamingock_tests::{Backend as _, audit, done, execute, folder, query, strings, with_table};

use super::{Backend, Connection};

const FIRST: [&str; 3] = ["orders", "view", "view of the first"];

/// The outcome of each change, in the order of the report.
fn outcomes(report: &flamingock::Report) -> Vec<(String, Outcome)> {
    let changes = report.changes();
    changes
        .map(|change| (change.id.clone(), change.outcome))
        .collect()
}

#[tokio::test]
async fn repeatable_changes_run_last_and_again_only_when_changed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    // An edit of a repeatable change is not drift.
    let policy = Policy::default().drift(Rule::Deny);
    let runner = || Runner::new(&pool).policy(policy);
    let first = || {
        runner().files(include_files!(
            "fixtures/folders/repeat/first",
            static,
            register = false
        ))
    };
    let second = || {
        runner().files(include_files!(
            "fixtures/folders/repeat/second",
            static,
            register = false
        ))
    };

    let report = first().run().await.unwrap();
    // It is ordered before the other change, and still ran after it.
    let expected = [
        ("orders".to_owned(), Outcome::NewlyApplied),
        ("orders_view".to_owned(), Outcome::NewlyApplied),
    ];
    assert_eq!(outcomes(&report), expected);
    assert_eq!(done(&pool).await, FIRST);
    assert!(first().run().await.unwrap().is_up_to_date());

    let check = second().mode(flamingock::Mode::Check).run().await;
    let error = check.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending, "{error:?}");
    let planned = error.report().unwrap();
    let notes: Vec<&Note> = planned.changes().flat_map(|change| &change.notes).collect();
    assert!(matches!(notes[..], [Note::Again { .. }]), "{notes:?}");
    assert!(planned.to_string().contains("again: "), "{planned}");

    let report = second().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(
        done(&pool).await,
        ["orders", "view", "view of the first", "view of the second"]
    );
    assert!(second().run().await.unwrap().is_up_to_date());
    let expected = [
        "orders 1 APPLIED shared",
        "orders_view 1 APPLIED shared",
        "orders_view 2 APPLIED shared",
    ];
    assert_eq!(audit(&pool).await, expected);
    let digests = "SELECT count(DISTINCT digest) FROM flamingock_audit \
                   WHERE change_id = 'orders_view' AND state = 'APPLIED'";
    assert_eq!(strings(&pool, digests).await, ["2"]);
}

#[tokio::test]
async fn repeatable_change_waits_for_the_ordered_changes_of_its_stage() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let first = Runner::new(&pool).files(include_files!(
        "fixtures/folders/repeat/first",
        static,
        register = false
    ));
    first.run().await.unwrap();
    let third = Runner::new(&pool).files(include_files!(
        "fixtures/folders/repeat/third",
        static,
        register = false
    ));
    let error = third.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error:?}");
    let report = error.report().unwrap();
    let expected = [
        ("orders".to_owned(), Outcome::AlreadyApplied),
        ("broken".to_owned(), Outcome::RolledBack),
        ("orders_view".to_owned(), Outcome::Blocked),
    ];
    assert_eq!(outcomes(report), expected);
    assert_eq!(done(&pool).await, FIRST);
}

/// The previous version is still applied, and it is the latest applied entry.
#[tokio::test]
async fn failed_new_version_leaves_the_previous_one_applied() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let header = "-- flamingock: repeat=on-change\n";
    let view = |text: &str| format!("{header}{text}");
    let (good, bad) = (
        view("INSERT INTO done VALUES ('view')"),
        view("INSERT INTO nowhere VALUES (1)"),
    );
    let runner = |text: &str| {
        Runner::new(&pool).files(folder(&[
            ("0001__orders.sql", "INSERT INTO done VALUES ('orders')"),
            (
                "0001__orders.rollback.sql",
                "DELETE FROM done WHERE what = 'orders'",
            ),
            ("0002__view.sql", text),
            (
                "0002__view.rollback.sql",
                "DELETE FROM done WHERE what = 'view'",
            ),
        ]))
    };
    runner(&good).run().await.unwrap();
    for _ in 0..2 {
        let error = runner(&bad).run().await.unwrap_err();
        assert_eq!(error.report().unwrap().counts().rolled_back, 1, "{error}");
    }
    let expected = [
        "orders 1 APPLIED shared",
        "view 1 APPLIED shared",
        "view 2 FAILED shared",
        "view 2 APPLIED shared",
        "view 3 FAILED shared",
        "view 3 APPLIED shared",
    ];
    assert_eq!(audit(&pool).await, expected);
    assert!(runner(&good).run().await.unwrap().is_up_to_date());
    runner(&bad).undo(UndoTarget::Last).await.unwrap();
    assert_eq!(done(&pool).await, ["orders"]);
}

#[tokio::test]
async fn repeatable_change_is_undone_by_its_rollback_even_when_changed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let first = || {
        Runner::new(&pool).files(include_files!(
            "fixtures/folders/repeat/first",
            static,
            register = false
        ))
    };
    first().run().await.unwrap();
    let second = || {
        Runner::new(&pool).files(include_files!(
            "fixtures/folders/repeat/second",
            static,
            register = false
        ))
    };
    second().undo(UndoTarget::Last).await.unwrap();
    assert_eq!(done(&pool).await, ["orders", "view of the first"]);
    let last = audit(&pool).await.pop().unwrap();
    assert!(last.starts_with("orders_view 1 ROLLED_BACK"), "{last}");
    // It is pending again.
    let report = first().run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
}

mod before {
    use super::*;

    #[change(id = "grants", order = "0009", repeat = "on-change", register = false)]
    pub(super) async fn grants(db: &mut Connection) -> Result<(), sqlx::Error> {
        query(db, "INSERT INTO done VALUES ('before')")
            .await
            .map(drop)
    }
}

mod after {
    use super::*;

    #[change(id = "grants", order = "0009", repeat = "on-change", register = false)]
    pub(super) async fn grants(db: &mut Connection) -> Result<(), sqlx::Error> {
        query(db, "INSERT INTO done VALUES ('after')")
            .await
            .map(drop)
    }
}

#[tokio::test]
async fn code_and_files_are_repeatable_alike() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    for _ in 0..2 {
        let runner = Runner::new(&pool).changes(changes![before::grants]);
        runner.run().await.unwrap();
    }
    let runner = Runner::new(&pool).changes(changes![after::grants]);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["after", "before"]);
    let expected = ["grants 1 APPLIED shared", "grants 2 APPLIED shared"];
    assert_eq!(audit(&pool).await, expected);
    execute(&pool, "DELETE FROM done").await;
    // Returning to an older text counts as an edit as well.
    let runner = Runner::new(&pool).changes(changes![before::grants]);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["before"]);
}
