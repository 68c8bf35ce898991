//! Files of SQL.

use flamingock::{Runner, UndoTarget};
use flamingock_tests::{audit, done, folder, strings};

use sqlx::Executor as _;
use sqlx::mysql::MySqlPoolOptions;

use super::fresh;

/// What a run of this file says.
async fn refused(pool: &sqlx::MySqlPool, text: &str) -> String {
    let files = folder(&[("0001__a.sql", text)]);
    let error = Runner::new(pool).files(files).run().await;
    error.unwrap_err().to_string()
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
    // Each of what the message proposes.
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

/// The server quotes what follows a mistake, and that may be ours.
#[tokio::test]
async fn an_error_quotes_the_file_alone() {
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

/// One statement cannot go in pieces.
#[tokio::test]
async fn a_statement_that_is_too_long_for_the_server_names_its_setting() {
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

/// Where a backslash is an ordinary character, a string ends at the quote behind it.
#[tokio::test]
async fn backslash_before_a_quote_is_refused_where_it_escapes_nothing() {
    let escaped = "-- why\nINSERT INTO done VALUES ('it\\'s; one');\n";
    let doubled = "INSERT INTO done VALUES ('C:\\dir; it''s');\n";
    let (database, pool) = fresh().await;
    let options = MySqlPoolOptions::new().max_connections(2);
    let options = options.after_connect(|connection, _| {
        let mode = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')";
        Box::pin(async move { connection.execute(mode).await.map(drop) })
    });
    let told = database.pool_with(options).await;
    let error = refused(&told, escaped).await;
    assert!(
        error.contains("0001__a.sql:2: a backslash before a quote"),
        "{error}"
    );
    assert!(done(&pool).await.is_empty());
    let files = folder(&[("0001__a.sql", doubled)]);
    Runner::new(&told).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["C:\\dir; it's"]);
    // A rollback too, before anything is undone, and a file that sets the mode itself.
    let undoes = "DELETE FROM done WHERE what = 'it\\'s; one' OR what LIKE 'C:%';\n";
    let files = folder(&[("0001__a.sql", doubled), ("0001__a.rollback.sql", undoes)]);
    let undo = Runner::new(&told).files(files).undo(UndoTarget::Last).await;
    let error = undo.unwrap_err().to_string();
    assert!(
        error.contains("0001__a.rollback.sql:1: a backslash before a quote"),
        "{error}"
    );
    assert_eq!(done(&pool).await, ["C:\\dir; it's"]);
    let sets =
        "SET sql_mode = 'no_backslash_escapes';\nINSERT INTO done VALUES ('a\\'), ('; --');\n";
    let files = folder(&[("0001__a.sql", doubled), ("0003__c.sql", sets)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert!(error.to_string().contains("0003__c.sql:2: "), "{error}");
    assert_eq!(done(&pool).await, ["C:\\dir; it's"]);
    // Where it escapes, it does.
    let files = folder(&[("0002__b.sql", escaped), ("0001__a.sql", doubled)]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["C:\\dir; it's", "it's; one"]);
}
