//! Unusual files that occur all the same: the audit records what actually happened.

mod refused;

use flamingock::{Runner, Stage, UndoTarget};
use flamingock_tests::{
    Backend as _, TestDatabase, audit, count, done, folder, folder_of, script, try_execute,
    with_table,
};
use sqlx::Pool;

use super::{Backend, Db};

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

/// The cases of this database.
fn pick<T>(postgres: T, mariadb: T, sqlite: T) -> T {
    match NAME {
        "PostgreSQL" => postgres,
        "MariaDB" => mariadb,
        _ => sqlite,
    }
}

async fn fresh() -> (TestDatabase<Backend>, Pool<Db>) {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    (database, pool)
}

/// For such files nothing is executed, and the entry records them as applied.
const EMPTY: [&str; 6] = [
    "",
    "\u{feff}",
    "-- a\n\n-- b",
    "/* a */\n",
    ";;\n;",
    "-- flamingock: transaction=false\n",
];

#[tokio::test]
async fn file_of_comments_is_applied_without_a_statement() {
    for text in EMPTY {
        let (_database, pool) = fresh().await;
        let next = "INSERT INTO done VALUES ('next')";
        let files = || {
            folder(&[
                ("0001__script.sql", text),
                ("0001__script.rollback.sql", "-- nothing to revert\n"),
                ("0002__next.sql", next),
                ("0002__next.rollback.sql", "DELETE FROM done"),
            ])
        };
        let runner = || Runner::new(&pool).files(files());
        runner().run().await.unwrap();
        let mode = if text.contains("false") {
            "none"
        } else {
            "shared"
        };
        let applied = audit(&pool).await;
        let applied: Vec<&str> = applied
            .iter()
            .map(String::as_str)
            .filter(|entry| !entry.contains("STARTED"))
            .collect();
        let expected = [
            format!("script 1 APPLIED {mode}"),
            "next 1 APPLIED shared".to_owned(),
        ];
        assert_eq!(applied, expected, "{text:?}");
        assert!(runner().run().await.unwrap().is_up_to_date(), "{text:?}");
        runner().undo(UndoTarget::Count(2)).await.unwrap();
        assert_eq!(done(&pool).await, [""; 0], "{text:?}");
        let undone = audit(&pool).await;
        assert!(
            undone.last().unwrap().starts_with("script 1 ROLLED_BACK"),
            "{undone:?}"
        );
        assert_eq!(runner().run().await.unwrap().counts().newly_applied, 2);
    }
}

#[tokio::test]
async fn file_of_comments_is_applied_without_a_statement_in_an_atomic_stage() {
    for text in EMPTY.iter().filter(|text| !text.contains("false")) {
        let (_database, pool) = fresh().await;
        let insert = "INSERT INTO done VALUES ('x')";
        let files = folder(&[
            ("0001__first.sql", insert),
            ("0002__script.sql", text),
            ("0003__next.sql", insert),
            ("0004__last.sql", text),
        ]);
        let stage = Stage::new("default").atomic();
        let runner = || Runner::new(&pool).files(files).stage(stage.clone());
        assert_eq!(
            runner().run().await.unwrap().counts().newly_applied,
            4,
            "{text:?}"
        );
        assert_eq!(done(&pool).await, ["x", "x"], "{text:?}");
        assert!(runner().run().await.unwrap().is_up_to_date());
    }
}

/// The down file of another tool would drop objects that existed before its up file failed.
#[tokio::test]
async fn down_file_of_another_tool_does_not_run_after_a_failure() {
    let table = "CREATE TABLE kept (id INT)";
    let (_database, pool) = fresh().await;
    try_execute(&pool, table).await.unwrap();
    // Outside a transaction, and on MariaDB also inside one, where DDL commits.
    let up = "CREATE TABLE before_failure (id INT);\nCREATE TABLE kept (id INT);";
    let marked = format!("-- no-transaction\n{up}");
    for (index, text) in [up, marked.as_str()].into_iter().enumerate() {
        let files = folder_of(
            "sqlx",
            &[
                ("1_script.up.sql", text),
                ("1_script.down.sql", "DROP TABLE kept;"),
            ],
        );
        let service = format!("service-{index}");
        let runner = || Runner::new(&pool).service(&service).files(files);
        runner().run().await.unwrap_err();
        try_execute(&pool, "SELECT * FROM kept").await.unwrap();
        let _ = try_execute(&pool, "DROP TABLE before_failure").await;
    }
    // A rollback file of Flamingock's own format reverts what the failure left.
    let files = folder(&[
        (
            "0001__script.sql",
            "-- flamingock: transaction=false\nCREATE TABLE made (id INT);\nCREATE TABLE kept (id INT);",
        ),
        ("0001__script.rollback.sql", "DROP TABLE made;"),
    ]);
    Runner::new(&pool)
        .service("own")
        .files(files)
        .run()
        .await
        .unwrap_err();
    try_execute(&pool, "SELECT * FROM made").await.unwrap_err();
}

#[tokio::test]
async fn strings_keep_line_ends_and_text_that_looks_like_a_command() {
    let (_database, pool) = fresh().await;
    let text = "INSERT INTO done VALUES ('a\r\nb');\r\nINSERT INTO done VALUES ('\nDELIMITER //\n;');\r\nINSERT INTO done VALUES ('c') /* end; */ -- \\";
    Runner::new(&pool).files(script(text)).run().await.unwrap();
    assert_eq!(done(&pool).await, ["\nDELIMITER //\n;", "a\r\nb", "c"]);
}

/// Otherwise a setting would reach the next file, or not, depending on how many files a run
/// applies.
#[tokio::test]
async fn session_settings_of_a_file_end_with_it() {
    let temporary = "CREATE TEMPORARY TABLE done (what VARCHAR(200))";
    let settings = pick(
        [
            temporary,
            "CREATE SCHEMA other; CREATE TABLE other.done (what TEXT); SET search_path TO other",
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SET default_transaction_read_only = on",
        ],
        [
            temporary,
            "USE information_schema",
            "/*!40101 SET SESSION TRANSACTION READ ONLY */",
            "SET SESSION sql_mode = 'ANSI_QUOTES'; SET NAMES latin1",
        ],
        [
            temporary,
            "PRAGMA query_only = 0",
            "ATTACH ':memory:' AS other",
            "PRAGMA foreign_keys = 0",
        ],
    );
    for set in settings {
        let (_database, pool) = fresh().await;
        let next = "INSERT INTO done VALUES ('next')";
        let files = folder(&[("0001__script.sql", set), ("0002__next.sql", next)]);
        let report = Runner::new(&pool).files(files).run().await;
        assert_eq!(report.unwrap().counts().newly_applied, 2, "{set}");
        assert_eq!(done(&pool).await, ["next"], "{set}");
    }
}

/// A file that ends its transaction by dynamic SQL: which effects remain, and what is recorded.
type Ending = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const ROLLED_BACK: &[&str] = &["script 1 FAILED shared", "script 1 ROLLED_BACK shared"];
const COMMITTED: &[&str] = &["script 1 FAILED none"];

#[tokio::test]
async fn transaction_that_is_ended_by_dynamic_sql_is_detected() {
    let first = "INSERT INTO done VALUES ('1');";
    let cases: Vec<Ending> = pick(
        vec![
            ("DO $$ BEGIN COMMIT; END $$;", &[], ROLLED_BACK),
            (
                "SELECT pg_terminate_backend(pg_backend_pid());",
                &[],
                ROLLED_BACK,
            ),
            // Whether this is the transaction that was begun can't be determined any more.
            ("RESET ALL;", &[], COMMITTED),
        ],
        vec![
            (
                "CREATE TABLE t (id INT); INSERT INTO nowhere VALUES (1);",
                &["1"],
                COMMITTED,
            ),
            (
                "PREPARE s FROM 'COMMIT'; EXECUTE s; INSERT INTO nowhere VALUES (1);",
                &["1"],
                COMMITTED,
            ),
            (
                "EXECUTE IMMEDIATE 'SET autocommit = 1'; INSERT INTO nowhere VALUES (1);",
                &["1"],
                COMMITTED,
            ),
            (
                "SET STATEMENT max_statement_time = 9 FOR COMMIT; INSERT INTO nowhere VALUES (1);",
                &["1"],
                COMMITTED,
            ),
            (
                "EXECUTE IMMEDIATE 'COMMIT';",
                &["1"],
                &["script 1 APPLIED none"],
            ),
            ("EXECUTE IMMEDIATE 'ROLLBACK';", &[], ROLLED_BACK),
            ("KILL CONNECTION_ID();", &[], ROLLED_BACK),
        ],
        vec![
            (
                "CREATE TABLE u (id INT PRIMARY KEY); INSERT INTO u VALUES (1); INSERT OR ROLLBACK INTO u VALUES (1);",
                &[],
                ROLLED_BACK,
            ),
            (
                "CREATE TRIGGER r BEFORE UPDATE ON done BEGIN SELECT RAISE(ROLLBACK, 'no'); END; UPDATE done SET what = '2';",
                &[],
                ROLLED_BACK,
            ),
        ],
    );
    for (text, kept, recorded) in cases {
        let (database, pool) = fresh().await;
        let files = script(&format!("{first}\n{text}"));
        let ended = Runner::new(&pool).files(files).run().await;
        assert_eq!(
            ended.is_ok(),
            recorded[0].contains("APPLIED"),
            "{text}: {ended:?}"
        );
        let watch = database.pool(1).await;
        assert_eq!(done(&watch).await, kept, "{text}");
        assert_eq!(audit(&watch).await, recorded, "{text}");
    }
}

/// A dump of MySQL has statements that only servers of other versions execute.
#[tokio::test]
async fn skipped_executable_comments_are_no_error() {
    if NAME != "MariaDB" {
        // On other databases they are ordinary comments.
        let (_database, pool) = fresh().await;
        let files = script("/*!999999 INSERT INTO done VALUES ('1') */;");
        Runner::new(&pool).files(files).run().await.unwrap();
        assert_eq!(done(&pool).await, [""; 0]);
        return;
    }
    let (_database, pool) = fresh().await;
    let text = "/*!999999 SELECT nothing */;\nINSERT INTO done VALUES ('1');\n/*!40101 INSERT INTO done VALUES ('2') */;\n/*!999999 x */;";
    Runner::new(&pool).files(script(text)).run().await.unwrap();
    assert_eq!(done(&pool).await, ["1", "2"]);
    assert_eq!(audit(&pool).await, ["script 1 APPLIED shared"]);
    let failing = format!("{text}\nINSERT INTO nowhere VALUES ('3');");
    let files = folder(&[("0001__script.sql", text), ("0002__next.sql", &failing)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert!(
        format!("{error:#}").contains("changes/0002__next.sql:5: `INSERT INTO nowhere"),
        "{error}"
    );
    assert_eq!(done(&pool).await, ["1", "2"]);
}

#[tokio::test]
async fn large_file_is_applied_whole_or_not_at_all() {
    let row = format!("INSERT INTO done VALUES ('x{}x');\n", " ".repeat(100));
    let row = row.replace("VALUES", &format!("/* {} */ VALUES", "y".repeat(2_000)));
    let rows = 5 * 1024 * 1024 / row.len();
    let (_database, pool) = fresh().await;
    let runner = |text: &str| Runner::new(&pool).files(script(text));
    let broken = format!("{}INSERT INTO nowhere VALUES (1);", row.repeat(rows));
    let error = runner(&broken).run().await.unwrap_err();
    let place = format!(
        "changes/0001__script.sql:{}: `INSERT INTO nowhere",
        rows + 1
    );
    assert!(format!("{error:#}").contains(&place), "{error}");
    assert_eq!(count(&pool, "SELECT count(*) FROM done").await, 0);
    runner(&row.repeat(rows)).run().await.unwrap();
    let there = usize::try_from(count(&pool, "SELECT count(*) FROM done").await);
    assert_eq!(there.unwrap(), rows);
}
