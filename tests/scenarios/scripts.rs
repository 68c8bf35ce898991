//! SQL files: what is sent, what remains when a file fails, and what its errors say.

use std::time::Duration;

use flamingock::{Error, ErrorKind, Outcome, Runner, TargetSystem, UndoTarget};
use flamingock_tests::{
    Backend as _, audit, count, done, execute, folder, script, strings, with_table,
};
use sqlx::Pool;

use super::{Backend, Db};

const POSTGRES: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"PostgreSQL"
);
const MARIADB: bool = matches!(
    <Backend as flamingock_tests::Backend>::NAME.as_bytes(),
    b"MariaDB"
);

/// The run's error, and the text of the first change that failed.
async fn fails(runner: Runner) -> (Error, String) {
    let error = runner.run().await.unwrap_err();
    let report = error.report().unwrap_or_else(|| panic!("{error}"));
    let failed = report.changes().find_map(|change| change.error.clone());
    let text = failed.map(|failed| failed.to_string()).unwrap_or_default();
    (error, text)
}

#[tokio::test]
async fn failed_file_leaves_nothing_and_its_error_names_line_and_statement() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let second = "-- Ünïcödé before the mistake.\nINSERT INTO done VALUES ('ß; it''s');\n\nINSERT INTO done\n  SELECT name FROM nowhere;\nINSERT INTO done VALUES ('later');\n";
    let files = [
        ("0001__first.sql", "INSERT INTO done VALUES ('first')"),
        ("0002__second.sql", second),
        (
            "0002__second.rollback.sql",
            "INSERT INTO done VALUES ('rolled back')",
        ),
    ];
    let broken = folder(&files);
    let (error, text) = fails(Runner::new(&pool).files(broken)).await;
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    // PostgreSQL reports the position itself.
    let line = if POSTGRES { 5 } else { 4 };
    let expected = format!(
        "changes/0002__second.sql:{line}: `INSERT INTO done SELECT name FROM nowhere` failed: "
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("nowhere"), "{text}");
    assert_eq!(done(&pool).await, ["first"]);

    let repaired = second.replace("SELECT name FROM nowhere", "VALUES ('repaired')");
    let repaired = folder(&[files[0], ("0002__second.sql", &repaired)]);
    let report = Runner::new(&pool).files(repaired).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(done(&pool).await, ["first", "later", "repaired", "ß; it's"]);
    let expected = [
        "first 1 APPLIED shared",
        "second 1 FAILED shared",
        "second 1 ROLLED_BACK shared",
        "second 2 APPLIED shared",
    ];
    assert_eq!(audit(&pool).await, expected);
}

#[tokio::test]
async fn syntax_error_leaves_nothing() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    for attempt in 1..=2 {
        let text = "INSERT INTO done VALUES ('one');\nINSRT INTO done VALUES ('two');\n";
        let (_, text) = fails(Runner::new(&pool).files(script(text))).await;
        let expected = "changes/0001__script.sql:2: `INSRT INTO done VALUES ('two')` failed: ";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(audit(&pool).await.len(), attempt * 2);
    }
    let expected = ["script 1 FAILED shared", "script 1 ROLLED_BACK shared"];
    assert_eq!(audit(&pool).await[..2], expected);
    assert_eq!(done(&pool).await, Vec::<String>::new());
    // The connection still works.
    let report = Runner::new(&pool)
        .files(script(
            "INSERT INTO done VALUES ('three') -- no semicolon, and a comment",
        ))
        .run()
        .await
        .unwrap();
    assert_eq!(report.counts().newly_applied, 1);
}

#[tokio::test]
async fn unfinished_statement_is_named_where_it_begins() {
    for unfinished in [
        "INSERT INTO done VALUES ('3'",
        "INSERT INTO done VALUES ('3'\n;\n",
    ] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let text =
            format!("INSERT INTO done VALUES ('1');\nINSERT INTO done VALUES ('2');\n{unfinished}");
        let (_, text) = fails(Runner::new(&pool).files(script(&text))).await;
        assert!(
            text.contains(": `INSERT INTO done VALUES ('3'` failed: "),
            "{text}"
        );
        let lines = [
            "changes/0001__script.sql:3: ",
            "changes/0001__script.sql:4: ",
        ];
        assert!(lines.iter().any(|line| text.starts_with(line)), "{text}");
        assert_eq!(done(&pool).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn file_with_its_own_transactions_is_refused_before_anything_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let own =
        "INSERT INTO done VALUES ('one');\nBEGIN;\nINSERT INTO done VALUES ('two');\nCOMMIT;\n";
    let files = folder(&[
        ("0001__first.sql", "INSERT INTO done VALUES ('first')"),
        ("0002__own.sql", own),
        ("0003__undone.sql", "INSERT INTO done VALUES ('third')"),
        ("0003__undone.rollback.sql", "DELETE FROM done;\nROLLBACK;"),
    ]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    let expected =
        "changes/0002__own.sql:2: BEGIN has no place in a file that runs in a transaction";
    assert!(texts[0].starts_with(expected), "{texts:?}");
    let expected = "changes/0003__undone.rollback.sql:2: ROLLBACK has no place";
    assert!(texts[1].starts_with(expected), "{texts:?}");
    assert_eq!(done(&pool).await, Vec::<String>::new());

    // Without a surrounding transaction, a file can have its own.
    let own = format!("-- flamingock: transaction=false\n{own}");
    let files = folder(&[("0002__own.sql", &own)]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["one", "two"]);
    assert_eq!(
        audit(&pool).await,
        ["own 1 STARTED none", "own 1 APPLIED none"]
    );
}

#[tokio::test]
async fn applied_file_need_not_follow_the_rules() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let text = "INSERT INTO done VALUES ('one')";
    Runner::new(&pool).files(script(text)).run().await.unwrap();
    let files = folder(&[
        (
            "0001__script.sql",
            "BEGIN; INSERT INTO done VALUES ('one'); COMMIT;",
        ),
        ("0002__next.sql", "INSERT INTO done VALUES ('two')"),
    ]);
    let report = Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 1);
    assert_eq!(done(&pool).await, ["one", "two"]);
}

#[tokio::test]
async fn file_without_transaction_keeps_finished_statements_and_names_the_failed_one() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let text = "-- flamingock: transaction=false, recovery=retry\nINSERT INTO done VALUES ('one');\nINSERT INTO done VALUES ('two'); INSERT INTO nowhere VALUES ('three');\nINSERT INTO done VALUES ('four')\n";
    let (error, failed) = fails(Runner::new(&pool).files(script(text))).await;
    assert_eq!(error.kind(), ErrorKind::ChangesFailed, "{error}");
    let expected = "changes/0001__script.sql:3: `INSERT INTO nowhere VALUES ('three')` failed: ";
    assert!(failed.starts_with(expected), "{failed}");
    assert_eq!(done(&pool).await, ["one", "two"]);
    execute(&pool, "DELETE FROM done").await;
    let repaired = text.replace("nowhere", "done");
    Runner::new(&pool)
        .files(script(&repaired))
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["four", "one", "three", "two"]);
    let expected = [
        "script 1 STARTED none",
        "script 1 FAILED none",
        "script 2 STARTED none",
        "script 2 APPLIED none",
    ];
    assert_eq!(audit(&pool).await, expected);
}

/// Statements with semicolons in them, for each database.
fn routine() -> &'static str {
    if POSTGRES {
        "CREATE FUNCTION noted(what text) RETURNS void LANGUAGE plpgsql AS $body$\nBEGIN\n  INSERT INTO done VALUES (what); -- it's noted;\nEND;\n$body$;\nSELECT noted('by the routine');\n"
    } else if MARIADB {
        "DELIMITER //\nCREATE PROCEDURE noted(word VARCHAR(200))\nBEGIN\n  INSERT INTO done VALUES (word); -- it's noted;\n  SELECT 1;\nEND; //\nCREATE PROCEDURE other() SELECT 1//\nDELIMITER ;\nCALL noted('by the routine');\n"
    } else {
        "CREATE TABLE noted (what TEXT);\nCREATE TRIGGER noting AFTER INSERT ON noted BEGIN\n  INSERT INTO done VALUES (new.what); -- it's noted;\n  SELECT 1;\nEND;\nINSERT INTO noted VALUES ('by the routine');\n"
    }
}

#[tokio::test]
async fn routines_run_with_and_without_transaction() {
    for head in ["", "-- flamingock: transaction=false\n"] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let text = format!("{head}{}", routine());
        Runner::new(&pool).files(script(&text)).run().await.unwrap();
        assert_eq!(done(&pool).await, ["by the routine"]);
    }
}

#[tokio::test]
async fn rows_that_a_file_selects_are_discarded() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let text = "INSERT INTO done VALUES ('one');\nSELECT what FROM done;\nSELECT 1 AS a, 2 AS b;\nSELECT NULL;\nINSERT INTO done VALUES ('two');";
    Runner::new(&pool).files(script(text)).run().await.unwrap();
    assert_eq!(done(&pool).await, ["one", "two"]);
}

#[tokio::test]
async fn files_run_in_another_database_too() {
    let (audited, target) = (Backend::fresh().await, Backend::fresh().await);
    let (pool, other) = (audited.pool(1).await, with_table(&target, 1).await);
    let files = |second: &str| {
        folder(&[
            (
                "0001__one.sql",
                "-- flamingock: target=other\nINSERT INTO done VALUES ('one');\nINSERT INTO done VALUES ('two');",
            ),
            ("0001__one.rollback.sql", "DELETE FROM done"),
            (
                "0002__two.sql",
                &format!(
                    "-- flamingock: target=other\nINSERT INTO done VALUES ('three');\nINSERT INTO {second} VALUES ('four');"
                ),
            ),
        ])
    };
    let runner = |second: &str| {
        let target = TargetSystem::sqlx("other", &other);
        Runner::new(&pool).target(target).files(files(second))
    };
    let (_, text) = fails(runner("nowhere")).await;
    assert!(text.starts_with("changes/0002__two.sql:3: "), "{text}");
    assert_eq!(done(&other).await, ["one", "two"]);
    runner("done").run().await.unwrap();
    assert_eq!(done(&other).await, ["four", "one", "three", "two"]);
    let expected = [
        "one 1 STARTED separate",
        "one 1 APPLIED separate",
        "two 1 STARTED separate",
        "two 1 FAILED separate",
        "two 1 ROLLED_BACK separate",
        "two 2 STARTED separate",
        "two 2 APPLIED separate",
    ];
    assert_eq!(audit(&pool).await, expected);
    let undone = UndoTarget::Change("one".to_owned());
    runner("done").undo(undone).await.unwrap();
    assert_eq!(done(&other).await, Vec::<String>::new());
    let markers = count(
        &other,
        "SELECT count(*) FROM flamingock_marker WHERE kind = 'applied'",
    );
    assert_eq!(markers.await, 0);
}

#[tokio::test]
async fn file_needs_a_database() {
    let text = "SELECT 1";
    let runner = Runner::new(flamingock::MemoryStore::new()).files(script(text));
    let error = format!("{:#}", runner.run().await.unwrap_err());
    let expected = "changes/0001__script.sql:1: `changes/0001__script.sql` is SQL, but the audit is kept in no database";
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn file_without_a_rollback_file_cannot_be_undone() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let text = "INSERT INTO done VALUES ('one')";
    Runner::new(&pool).files(script(text)).run().await.unwrap();
    let undone = Runner::new(&pool)
        .files(script(text))
        .undo(UndoTarget::Last);
    let error = format!("{:#}", undone.await.unwrap_err());
    assert!(
        error.contains("\"script\" has no rollback beside its file"),
        "{error}"
    );
    assert_eq!(done(&pool).await, ["one"]);
}

#[tokio::test]
async fn edit_of_an_applied_file_is_noted_unless_only_blanks_changed() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let first = "INSERT INTO done\n  VALUES ('one');\n";
    Runner::new(&pool).files(script(first)).run().await.unwrap();
    for (text, notes) in [
        ("\u{feff}INSERT INTO done  \r\n  VALUES ('one');\r\n\r\n", 0),
        ("INSERT INTO done\n  VALUES ('two');\n", 1),
    ] {
        let report = Runner::new(&pool).files(script(text)).run().await.unwrap();
        let change = report.changes().next().unwrap();
        assert_eq!(change.outcome, Outcome::AlreadyApplied);
        assert_eq!(change.notes.len(), notes, "{:?}", change.notes);
    }
    // A new file with a byte-order mark runs without it.
    let files = folder(&[
        ("0001__script.sql", first),
        (
            "0002__marked.sql",
            "\u{feff}INSERT INTO done VALUES ('marked');\r\n",
        ),
    ]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["marked", "one"]);
}

/// A file that runs until its test has finished.
fn sleeping(seconds: &str) -> String {
    if POSTGRES {
        format!("SELECT pg_sleep({seconds})")
    } else if MARIADB {
        format!("SELECT SLEEP({seconds})")
    } else {
        // Counts for that long, because SQLite cannot sleep.
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
            .to_owned()
    }
}

#[tokio::test]
async fn file_that_times_out_is_cancelled_and_rolled_back() {
    // A counting statement of SQLite cannot be stopped from another connection.
    if !POSTGRES && !MARIADB {
        return;
    }
    let database = Backend::fresh().await;
    let pool: Pool<Db> = with_table(&database, 1).await;
    let text = format!(
        "-- flamingock: timeout=300ms\nINSERT INTO done VALUES ('one');\n{};\nINSERT INTO done VALUES ('two');",
        sleeping("60")
    );
    let began = std::time::Instant::now();
    let (_, text) = fails(Runner::new(&pool).files(script(&text))).await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(text, "the change took longer than its timeout of 300ms");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let expected = ["script 1 FAILED shared", "script 1 ROLLED_BACK shared"];
    assert_eq!(audit(&pool).await, expected);
    let states = strings(&pool, "SELECT state FROM flamingock_audit").await;
    assert!(!states.contains(&"APPLIED".to_owned()), "{states:?}");
}
