//! SQL files.

use flamingock::{Mode, Runner, Stage};
use flamingock_tests::{MariaDb, TestDatabase, audit, done, folder, strings};

use super::fresh;

/// The errors of a run, a plan and a check of this file before anything runs.
async fn refused_before(pool: &sqlx::MySqlPool, text: &str) -> String {
    let files = folder(&[("0001__a.sql", text)]);
    let runner = || Runner::new(pool).files(files);
    let said = format!("{:#}", runner().plan().await.unwrap_err());
    for mode in [Mode::Check, Mode::Plan, Mode::Apply] {
        let error = runner().mode(mode).run().await.unwrap_err();
        assert_eq!(format!("{error:#}"), said, "{mode:?}");
    }
    said
}

/// The error of a run of this file.
async fn refused(pool: &sqlx::MySqlPool, text: &str) -> String {
    let files = folder(&[("0001__a.sql", text)]);
    let error = Runner::new(pool).files(files).run().await;
    format!("{:#}", error.unwrap_err())
}

#[tokio::test]
async fn file_that_leaves_tables_locked_is_refused_with_its_line() {
    let (_database, pool) = fresh().await;
    let locks = "-- why\nLOCK TABLES done WRITE;\nINSERT INTO done VALUES ('a');\n";
    let error = refused(&pool, locks).await;
    assert!(
        error.contains("0001__a.sql:2: `LOCK TABLES` without `UNLOCK TABLES`"),
        "{error}"
    );
    let tables = strings(&pool, "SHOW TABLES LIKE 'flamingock_audit'").await;
    assert!(tables.is_empty() || audit(&pool).await.is_empty());
    // Each proposal of the message.
    let unlocks = format!("{locks}unlock tables;\n");
    let without = format!("-- flamingock: transaction=false\n{locks}");
    for (text, left) in [(unlocks, 1), (without, 1)] {
        let (_database, pool) = fresh().await;
        let files = folder(&[("0001__a.sql", &text)]);
        Runner::new(&pool).files(files).run().await.unwrap();
        assert_eq!(done(&pool).await.len(), left, "{text}");
        assert!(
            Runner::new(&pool)
                .files(files)
                .run()
                .await
                .unwrap()
                .is_up_to_date()
        );
    }
}

/// The server quotes the text after a mistake, which may be Flamingock's.
#[tokio::test]
async fn error_quotes_only_the_file() {
    for (text, quoted) in [
        (
            "INSERT INTO done VALUES ('a');\nSELEC 1;\nSELECT 2;\n",
            "near 'SELEC 1",
        ),
        (
            "INSERT INTO done VALUES ('a');\nINSERT INTO done VALUES (1,\n",
            "near ''",
        ),
        ("SELEC", "near 'SELEC'"),
        (
            "INSERT INTO done (what) VALU ('it''s')",
            "near 'VALU ('it''s')'",
        ),
    ] {
        let (_database, pool) = fresh().await;
        let error = refused(&pool, text).await;
        assert!(error.contains(quoted), "{text}: {error}");
        assert!(!error.contains("flamingock_"), "{text}: {error}");
        assert!(!error.contains("RELEASE"), "{text}: {error}");
        assert_eq!(
            audit(&pool).await,
            ["a 1 FAILED shared", "a 1 ROLLED_BACK shared"]
        );
    }
}

/// A single statement cannot be sent in pieces.
#[tokio::test]
async fn statement_that_is_too_long_for_the_server_names_the_setting() {
    let (_database, pool) = fresh().await;
    let text = format!(
        "INSERT INTO done VALUES ('a');\nSELECT '{}';\n",
        "x".repeat(17 << 20)
    );
    let error = refused(&pool, &text).await;
    assert!(error.contains("max_allowed_packet"), "{error:.1000}");
    assert_eq!(
        audit(&pool).await,
        ["a 1 FAILED shared", "a 1 ROLLED_BACK shared"]
    );
    assert!(done(&pool).await.is_empty());
}

/// A pool on whose connections a backslash is an ordinary character.
async fn without_escapes(database: &TestDatabase<MariaDb>) -> sqlx::MySqlPool {
    let mode = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')";
    database.pool_with_hook(2, mode).await
}

/// Where a backslash is an ordinary character, a string ends at the quote after it.
#[tokio::test]
async fn backslash_before_a_quote_follows_the_session() {
    let escaped = "INSERT INTO done VALUES ('it\\'s; one');\nINSERT INTO done VALUES ('b');\n";
    let ordinary = "INSERT INTO done VALUES ('a\\');\nINSERT INTO done VALUES ('; --');\n";
    for (header, mode) in [
        ("", "shared"),
        ("-- flamingock: transaction=false\n", "none"),
    ] {
        let (database, pool) = fresh().await;
        let told = without_escapes(&database).await;
        let ordinary = folder(&[("0001__a.sql", &format!("{header}{ordinary}"))]);
        Runner::new(&told).files(ordinary).run().await.unwrap();
        assert_eq!(done(&pool).await, ["; --", "a\\"]);
        let entry = format!("a 1 APPLIED {mode}");
        assert_eq!(audit(&pool).await.last(), Some(&entry));
        let (_database, pool) = fresh().await;
        let escaped = folder(&[("0001__a.sql", &format!("{header}{escaped}"))]);
        Runner::new(&pool).files(escaped).run().await.unwrap();
        assert_eq!(done(&pool).await, ["b", "it's; one"]);
    }
}

/// Text that can't be read like the session reads it is refused before anything runs, including a
/// rollback.
#[tokio::test]
async fn text_that_the_session_reads_differently_is_refused_with_its_line() {
    let (database, pool) = fresh().await;
    let told = without_escapes(&database).await;
    let escaped = "-- why\nINSERT INTO done VALUES ('it\\'s; one');\n";
    let error = refused_before(&told, escaped).await;
    assert!(
        error.contains("0001__a.sql:2: the string that begins here has no closing '"),
        "{error}"
    );
    let control = "INSERT INTO done VALUES ('a\\');\nCOMMIT;\nSELECT '; --';\n";
    let error = refused_before(&told, control).await;
    assert!(
        error.contains("0001__a.sql:2: COMMIT has no place"),
        "{error}"
    );
    assert!(done(&pool).await.is_empty());
    let plain = "INSERT INTO done VALUES ('b');\n";
    let undoes = "-- why\nDELETE FROM done WHERE what = 'it\\'s; one';\n";
    let files = folder(&[("0001__a.sql", plain), ("0001__a.rollback.sql", undoes)]);
    let files = Runner::new(&told).files(files);
    let error = format!("{:#}", files.run().await.unwrap_err());
    assert!(
        error.contains("0001__a.rollback.sql:2: the string that begins here"),
        "{error}"
    );
    assert!(done(&pool).await.is_empty());
}

/// A mode that a file sets applies from there on, as in the database's own client.
#[tokio::test]
async fn sql_mode_set_by_a_file_applies_to_later_statements() {
    let sets = "SET @was = @@sql_mode, sql_mode = 'NO_BACKSLASH_ESCAPES';\n\
                INSERT INTO done VALUES ('a\\');\n\
                SET sql_mode = @was;\n\
                INSERT INTO done VALUES ('it\\'s; --');\n";
    for header in ["", "-- flamingock: transaction=false\n"] {
        let (_database, pool) = fresh().await;
        let files = folder(&[("0001__a.sql", &format!("{header}{sets}"))]);
        Runner::new(&pool).files(files).run().await.unwrap();
        assert_eq!(done(&pool).await, ["a\\", "it's; --"]);
    }
    // Unknown settings are not guessed.
    let (_database, pool) = fresh().await;
    let unknown = "SET sql_mode = @other;\n-- it is\nINSERT INTO done VALUES ('it\\'s');\n";
    let error = refused_before(&pool, unknown).await;
    assert!(
        error.contains("0001__a.sql:3: whether this backslash escapes the quote"),
        "{error}"
    );
}

/// The statements of an atomic stage are read like the session reads them.
#[tokio::test]
async fn files_of_an_atomic_stage_are_read_as_the_session_reads_them() {
    let (database, pool) = fresh().await;
    let told = without_escapes(&database).await;
    let files = folder(&[
        (
            "0001__a.sql",
            "INSERT INTO done VALUES ('a\\');\nINSERT INTO done VALUES ('; --');\n",
        ),
        ("0002__b.sql", "INSERT INTO done VALUES ('b');\n"),
    ]);
    let stage = Stage::new("default").atomic();
    let runner = Runner::new(&told).files(files).stage(stage);
    runner.run().await.unwrap();
    assert_eq!(done(&pool).await, ["; --", "a\\", "b"]);
}
