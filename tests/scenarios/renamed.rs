//! A renamed change does not run again under its new id: the run stops and asks the developer to
//! decide.

use flamingock::{
    Definition, ErrorKind, Mode, Runner, UndoTarget, change, changes, include_files, rollback,
};
use flamingock_tests::{Backend as _, done, execute, query, with_table};
use sqlx::Pool;

use super::{Backend, Connection, Db};

#[change(id = "create_orders", order = "0001", register = false)]
async fn create_orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

#[rollback(create_orders)]
async fn undo_create_orders(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "DELETE FROM done").await.map(drop)
}

/// The same change under another id.
#[change(id = "create_order_table", order = "001", register = false)]
async fn create_order_table(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

/// The same change with its previous id.
#[change(id = "create_orders", order = "0001", register = false)]
async fn create_order_table_as_before(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

/// The same change, intended to run again.
#[change(id = "orders_again", order = "0002", register = false)]
async fn orders_again(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('orders')")
        .await
        .map(drop)
}

fn of<const N: usize>(pool: &Pool<Db>, changes: [&'static Definition; N]) -> Runner {
    Runner::new(pool).changes(changes)
}

/// Every entry point that runs or plans refuses it.
async fn asked(runner: impl Fn() -> Runner, expected: &[&str]) {
    let errors = [
        runner().plan().await.unwrap_err(),
        runner().mode(Mode::Check).run().await.unwrap_err(),
        runner().run().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let error = format!("{error:#}");
        for expected in expected {
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}

#[tokio::test]
async fn renamed_code_change_stops_the_run_until_its_id_or_order_is_restored() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    of(&pool, changes![create_orders]).run().await.unwrap();
    let renamed = || of(&pool, changes![create_order_table, orders_again]);
    let expected = [
        "\"create_order_table\"",
        "Was it renamed?",
        "#[change(id = \"create_orders\")]",
        "another order",
    ];
    asked(renamed, &expected).await;
    assert_eq!(done(&pool).await, ["orders"], "nothing else ran either");
    let kept = of(&pool, changes![create_order_table_as_before]).run();
    assert!(kept.await.unwrap().is_up_to_date());
    of(&pool, changes![orders_again]).run().await.unwrap();
    assert_eq!(done(&pool).await, ["orders", "orders"]);
}

#[tokio::test]
async fn change_with_the_content_of_an_applied_one_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    of(&pool, changes![create_orders]).run().await.unwrap();
    of(&pool, changes![create_orders, orders_again])
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["orders", "orders"]);
}

#[tokio::test]
async fn undone_change_can_run_under_another_id() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || of(&pool, changes![create_orders]);
    runner().run().await.unwrap();
    let target = UndoTarget::Change("create_orders".to_owned());
    runner().undo(target).await.unwrap();
    of(&pool, changes![create_order_table]).run().await.unwrap();
    assert_eq!(done(&pool).await, ["orders"]);
}

/// A failed attempt under the old id may have left effects, on top of which the new id would run.
#[tokio::test]
async fn renamed_change_with_an_unresolved_attempt_stops_the_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    of(&pool, changes![create_orders]).run().await.unwrap();
    execute(&pool, "UPDATE flamingock_audit SET state = 'STARTED'").await;
    let renamed = || of(&pool, changes![create_order_table]);
    asked(
        renamed,
        &["\"create_orders\", which is STARTED", "Was it renamed?"],
    )
    .await;
    assert_eq!(done(&pool).await, ["orders"]);
}

#[tokio::test]
async fn renamed_file_stops_the_run_until_its_id_is_restored() {
    for (before, after, kept, header) in [
        (
            include_files!("fixtures/folders/renamed/before", static, register = false),
            include_files!("fixtures/folders/renamed/after", static, register = false),
            include_files!("fixtures/folders/renamed/kept", static, register = false),
            "-- flamingock: id=create_orders",
        ),
        (
            include_files!(
                "fixtures/folders/renamed/sqlx_before",
                static,
                register = false,
                format = "sqlx"
            ),
            include_files!(
                "fixtures/folders/renamed/sqlx_after",
                static,
                register = false,
                format = "sqlx"
            ),
            include_files!(
                "fixtures/folders/renamed/sqlx_kept",
                static,
                register = false,
                format = "sqlx"
            ),
            "-- flamingock: id=1_create_ordes",
        ),
    ] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 2).await;
        let runner = |folder| Runner::new(&pool).files(folder);
        runner(before).run().await.unwrap();
        asked(|| runner(after), &["Was it renamed?", header]).await;
        let report = runner(kept).run().await.unwrap();
        assert!(report.is_up_to_date());
        // The line that keeps the id does not count as an edit.
        assert!(report.changes().all(|change| change.notes.is_empty()));
        assert_eq!(done(&pool).await, ["file"]);
        let undone = runner(kept).undo(UndoTarget::Count(1)).await.unwrap();
        assert_eq!(undone.changes().count(), 1);
        assert!(done(&pool).await.is_empty());
    }
}

/// It is intended to run again.
#[tokio::test]
async fn renamed_repeatable_file_is_applied_again() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for folder in [
        include_files!(
            "fixtures/folders/renamed/before",
            static,
            register = false,
            repeat = "on-change"
        ),
        include_files!(
            "fixtures/folders/renamed/after",
            static,
            register = false,
            repeat = "on-change"
        ),
    ] {
        Runner::new(&pool).files(folder).run().await.unwrap();
    }
    assert_eq!(done(&pool).await, ["file", "file"]);
}
