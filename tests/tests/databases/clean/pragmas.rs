//! Pragmas without effect in a transaction.

use flamingock::{ErrorKind, Mode, Runner, UndoTarget};
use flamingock_tests::{Backend, Sqlite, done, execute, folder, strings, with_table};

#[tokio::test]
async fn ineffective_pragmas_are_refused_before_anything_runs() {
    let pragmas = [
        "PRAGMA journal_mode = WAL",
        "pragma main.journal_mode('wal')",
        "PRAGMA synchronous = NORMAL",
        "PRAGMA page_size = 8192",
        "PRAGMA auto_vacuum = FULL",
        "PRAGMA encoding = 'UTF-16'",
    ];
    for pragma in pragmas {
        let database = Sqlite::fresh().await;
        let pool = with_table(&database, 2).await;
        let text = format!("-- A comment.\nINSERT INTO done VALUES ('2');\n{pragma};\n");
        let first = "INSERT INTO done VALUES ('1')";
        let files = folder(&[("0001__first.sql", first), ("0002__second.sql", &text)]);
        let runner = || Runner::new(&pool).files(files);
        let error = runner().run().await.unwrap_err();
        let checked = runner().mode(Mode::Check).run().await.unwrap_err();
        let planned = runner().mode(Mode::Plan).run().await.unwrap_err();
        for other in [checked, planned, runner().plan().await.unwrap_err()] {
            assert_eq!(format!("{other:#}"), format!("{error:#}"));
        }
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        let problems = error.problems();
        let said = problems[0].to_string();
        assert_eq!(problems.len(), 1, "{error}");
        assert!(said.starts_with("changes/0002__second.sql:3: "), "{said}");
        assert!(said.contains("transaction=false"), "{said}");
        assert_eq!(done(&pool).await, Vec::<String>::new(), "{pragma}");
    }
}

#[tokio::test]
async fn pragmas_that_restate_a_setting_are_accepted() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 2).await;
    execute(&pool, "PRAGMA journal_mode = WAL").await;
    let text = "PRAGMA journal_mode = WAL;\nPRAGMA encoding = \"UTF-8\";\nPRAGMA auto_vacuum = NONE;\nPRAGMA page_size = 4096;\nPRAGMA journal_mode;\nPRAGMA user_version = 7;\nINSERT INTO done VALUES ('1');\n";
    let files = folder(&[("0001__a.sql", text)]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1"]);
    assert_eq!(strings(&pool, "PRAGMA user_version").await, ["7"]);
}

#[tokio::test]
async fn pragmas_of_a_file_without_transaction_take_effect() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 1).await;
    let text = "-- flamingock: transaction=false\nPRAGMA journal_mode = WAL;\nPRAGMA synchronous = NORMAL;\n";
    let next = "PRAGMA journal_mode = WAL;\nINSERT INTO done VALUES ('1');\n";
    for files in [
        &[("0001__a.sql", text)][..],
        &[("0001__a.sql", text), ("0002__b.sql", next)],
    ] {
        Runner::new(&pool).files(folder(files)).run().await.unwrap();
    }
    assert_eq!(strings(&pool, "PRAGMA journal_mode").await, ["wal"]);
    assert_eq!(done(&pool).await, ["1"]);
}

/// Refused before the change runs that the file would roll back, and before anything is undone.
#[tokio::test]
async fn ineffective_pragmas_of_a_rollback_are_refused() {
    let database = Sqlite::fresh().await;
    let pool = with_table(&database, 2).await;
    let does = ("0001__a.sql", "INSERT INTO done VALUES ('1');\n");
    let undoes = "DELETE FROM done;\nPRAGMA journal_mode = WAL;\n";
    let files = folder(&[does, ("0001__a.rollback.sql", undoes)]);
    let place = "changes/0001__a.rollback.sql:2: ";
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert!(format!("{error:#}").contains(place), "{error}");
    assert!(done(&pool).await.is_empty());
    // A rollback file that was added later.
    Runner::new(&pool)
        .files(folder(&[does]))
        .run()
        .await
        .unwrap();
    let undo = Runner::new(&pool).files(files).undo(UndoTarget::Last).await;
    let error = undo.unwrap_err();
    assert!(format!("{error:#}").contains(place), "{error}");
    assert_eq!(done(&pool).await, ["1"]);
}
