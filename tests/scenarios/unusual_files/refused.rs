//! Files because of which nothing runs.

use flamingock::{EmbeddedFolder, ErrorKind, Runner};
use flamingock_tests::{done, folder, script, try_execute};

use super::{fresh, pick};

/// The single problem because of which nothing ran.
async fn refused(files: &'static EmbeddedFolder) -> String {
    let (_database, pool) = fresh().await;
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    assert_eq!(problems.len(), 1, "{error}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    let tables = try_execute(&pool, "SELECT * FROM flamingock_audit").await;
    assert!(tables.is_err(), "nothing is created either");
    problems[0].to_string()
}

/// A file with both directions of another tool would apply and revert, and be recorded as applied.
#[tokio::test]
async fn file_with_annotations_of_another_tool_is_refused_with_the_line() {
    for (mark, tool) in [
        ("-- migrate:down", "dbmate"),
        ("--migrate:down transaction:false", "dbmate"),
        ("-- +migrate Down", "sql-migrate"),
        ("  -- +goose Down", "goose"),
        ("--+goose Down", "goose"),
        ("---- create above / drop below ----", "tern"),
        ("-- Down Migration", "node-pg-migrate"),
        ("-- //@UNDO", "MyBatis"),
        ("-- rambler down", "rambler"),
        ("-- !Downs", "reverts"),
        ("-- Down", "reverts"),
    ] {
        let text = format!("INSERT INTO done VALUES ('1');\n{mark}\nDELETE FROM done;\n");
        let problem = refused(script(&text)).await;
        assert!(
            problem.starts_with("changes/0001__script.sql:2: "),
            "{problem}"
        );
        assert!(problem.contains(tool), "{mark}: {problem}");
    }
}

#[tokio::test]
async fn unbound_parameter_is_refused() {
    for (text, sign) in pick(
        // PostgreSQL and MariaDB refuse it themselves.
        [("INSERT INTO done VALUES ($1)", ""); 3],
        [("INSERT INTO done VALUES (?)", ""); 3],
        [
            ("INSERT INTO done VALUES (?)", "`?`"),
            ("INSERT INTO done VALUES ('a?' || :url)", "`:url`"),
            ("INSERT INTO done VALUES (@a)", "`@a`"),
        ],
    ) {
        if !sign.is_empty() {
            let problem = refused(script(text)).await;
            assert!(
                problem.starts_with("changes/0001__script.sql:1: "),
                "{problem}"
            );
            assert!(problem.contains(sign), "{problem}");
            continue;
        }
        let (_database, pool) = fresh().await;
        Runner::new(&pool)
            .files(script(text))
            .run()
            .await
            .unwrap_err();
        assert_eq!(done(&pool).await, [""; 0], "{text}");
    }
}

#[tokio::test]
async fn client_command_is_refused_with_its_line() {
    let of_clients = pick(
        [
            "\\copy done from 'x.csv'",
            "\\connect template1",
            "COPY done FROM STDIN;\n1\n\\.",
        ],
        ["\\. other.sql", "\\u mysql", "DELIMITER"],
        [".mode csv", ".read other.sql", ".import x.csv done"],
    );
    for command in of_clients.into_iter().chain(["SELECT 1;\0 COMMIT;"]) {
        let text = format!("INSERT INTO done VALUES ('1');\n{command}\n");
        let problem = refused(script(&text)).await;
        assert!(
            problem.starts_with("changes/0001__script.sql:2: "),
            "{command}: {problem}"
        );
    }
}

#[tokio::test]
async fn two_files_with_one_id_are_named_with_both_places() {
    let text = "-- flamingock: id=same\nINSERT INTO done VALUES ('1')";
    let problem = refused(folder(&[("0001__a.sql", text), ("0002__b.sql", text)])).await;
    assert!(problem.contains("changes/0001__a.sql:1"), "{problem}");
    assert!(problem.contains("changes/0002__b.sql:1"), "{problem}");
}
