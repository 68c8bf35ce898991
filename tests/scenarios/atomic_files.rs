//! Files in atomic stages.

use flamingock::{Error, Outcome, Runner, changes};
use flamingock_tests::{Backend as _, audit, done, folder, with_table};
use sqlx::Pool;

use super::atomic::{first, outcomes, seed, third};
use super::{Backend, Db};

#[tokio::test]
async fn files_and_code_share_the_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let header = "-- flamingock: stage=seed\n";
    let good = format!(
        "{header}INSERT INTO done VALUES ('file');\nINSERT INTO done VALUES ('file again');\n"
    );
    let bad =
        format!("{header}INSERT INTO done VALUES ('bad');\n\nINSERT INTO nowhere VALUES (1);\n");
    let more = format!("{header}INSERT INTO done VALUES ('more');\n");
    let runner = |bad: &str| {
        let files = folder(&[
            ("0000__zero.sql", more.as_str()),
            ("0002__good.sql", good.as_str()),
            ("0004__bad.sql", bad),
            ("0005__more.sql", more.as_str()),
        ]);
        seed(Runner::new(&pool))
            .changes(changes![first, third])
            .files(files)
    };
    let error = runner(&bad).run().await.unwrap_err();
    assert!(
        format!("{error:#}").contains("changes/0004__bad.sql:4: `INSERT INTO nowhere"),
        "{error}"
    );
    let report = error.report().unwrap();
    let back = Outcome::RolledBack;
    assert_eq!(
        outcomes(report),
        [back, back, back, back, back, Outcome::Blocked],
        "{report}"
    );
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let report = runner(&good).run().await.unwrap();
    assert_eq!(report.counts().newly_applied, 6, "{report}");
    let expected = [
        "file",
        "file",
        "file again",
        "file again",
        "first",
        "more",
        "more",
        "third",
    ];
    assert_eq!(done(&pool).await, expected);
    let states = audit(&pool).await;
    let applied = states
        .iter()
        .filter(|state| state.ends_with("APPLIED shared"));
    assert_eq!(applied.count(), 6, "{states:?}");
}

/// Runs an invalid file between two valid ones and returns the error.
async fn with_a_bad_one(pool: &Pool<Db>, bad: &str) -> Error {
    let header = "-- flamingock: stage=seed\n";
    let good = format!("{header}INSERT INTO done VALUES ('file')");
    let bad = format!("{header}{bad}");
    let files = folder(&[
        ("0001__one.sql", good.as_str()),
        ("0002__bad.sql", bad.as_str()),
        ("0003__three.sql", good.as_str()),
    ]);
    let run = seed(Runner::new(pool)).files(files).run();
    run.await.unwrap_err()
}

#[tokio::test]
async fn syntax_error_names_its_file() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let bad = "INSERT INTO done VALUES ('bad');\nINSERTS INTO done VALUES (1);\n";
    let error = with_a_bad_one(&pool, bad).await;
    let text = format!("{error:#}");
    assert!(text.contains("changes/0002__bad.sql:3"), "{text}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let expected = [Outcome::RolledBack, Outcome::RolledBack, Outcome::Blocked];
    assert_eq!(outcomes(error.report().unwrap()), expected);
}

#[tokio::test]
async fn unfinished_statement_is_an_error_of_its_own_file() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let bad = "INSERT INTO done VALUES ('1');\nINSERT INTO done VALUES ('2'";
    let error = with_a_bad_one(&pool, bad).await;
    let text = format!("{error:#}");
    let expected = "changes/0002__bad.sql:3: `INSERT INTO done VALUES ('2'` failed";
    assert!(text.contains(expected), "{text}");
    let expected = [
        "one 1 ROLLED_BACK shared",
        "bad 1 FAILED shared",
        "bad 1 ROLLED_BACK shared",
    ];
    assert_eq!(audit(&pool).await, expected);
}

#[tokio::test]
async fn session_settings_of_a_file_end_with_its_stage() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let files = folder(&[
        (
            "0001__temporary.sql",
            "-- flamingock: stage=seed\nCREATE TEMPORARY TABLE done (what VARCHAR(200))",
        ),
        (
            "0001__next.sql",
            "-- flamingock: stage=behind\nINSERT INTO done VALUES ('next')",
        ),
    ]);
    seed(Runner::new(&pool)).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["next"]);
}
