//! Files as projects of other tools have them: they have the same effect here as with their tool.

use flamingock::{ErrorKind, Runner, UndoTarget};
use flamingock_tests::{Backend as _, done, folder, folder_of, try_execute, with_table};

use super::Backend;

const NAME: &str = <Backend as flamingock_tests::Backend>::NAME;

#[tokio::test]
async fn comments_without_a_blank_between_statements_are_skipped() {
    // MariaDB's server reads `--x` as two minus signs; its client and Flyway skip the line.
    let text = "--it's the first;\nINSERT INTO done VALUES ('1');--so\n\t--INSERT INTO done VALUES ('2');\n\
         INSERT INTO done VALUES ('3');\n--end";
    for format in ["flyway", "goose", "flamingock"] {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let goose = format!("-- +goose Up\n{text}");
        let files = match format {
            "flyway" => folder_of(format, &[("V1__a.sql", text)]),
            "goose" => folder_of(format, &[("1_a.sql", &goose)]),
            _ => folder_of(format, &[("0001__a.sql", text)]),
        };
        Runner::new(&pool).files(files).run().await.unwrap();
        assert_eq!(done(&pool).await, ["1", "3"], "{NAME}, {format}");
    }
}

#[tokio::test]
async fn templates_of_other_tools_are_refused_before_anything_runs() {
    let template = "INSERT INTO done VALUES ('1');\nINSERT INTO {{.Prefix}}done VALUES ('2');\n";
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let first = "INSERT INTO done VALUES ('{{ text }}'); -- {{ a }} /* b */\n";
    let files = folder(&[("1_a.sql", first), ("2_b.sql", template)]);
    let error = Runner::new(&pool).files(files).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let problem = problems[0].to_string();
    assert!(problem.starts_with("changes/2_b.sql:2: "), "{problem}");
    assert!(problem.contains("write the value"), "{problem}");
    assert_eq!(problems.len(), 1, "{error}");
    assert_eq!(done(&pool).await, Vec::<String>::new());
    // In strings and in comments they have no meaning.
    let files = folder(&[("1_a.sql", first)]);
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["{{ text }}"]);
}

#[tokio::test]
async fn unpaired_down_files_are_skipped_and_those_of_golang_migrate_run_on_undo() {
    let (up, down) = (
        "INSERT INTO done VALUES ('up');",
        "INSERT INTO done VALUES ('down');",
    );
    let cases: [(&str, [&str; 2], &[&str]); 3] = [
        (
            "golang-migrate",
            ["1_a.up.sql", "2_b.down.sql"],
            &["down", "up"],
        ),
        ("sqlx", ["1_a.up.sql", "2_b.down.sql"], &["up"]),
        ("flyway", ["V1__a.sql", "U2__b.sql"], &["up"]),
    ];
    for (format, [first, second], expected) in cases {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let files = folder_of(format, &[(first, up), (second, down)]);
        let runner = || Runner::new(&pool).files(files);
        let report = runner().run().await.unwrap();
        assert_eq!(done(&pool).await, ["up"], "{NAME}, {format}: {report}");
        if format == "golang-migrate" {
            runner().undo(UndoTarget::Count(1)).await.unwrap();
        }
        assert_eq!(done(&pool).await, expected, "{NAME}, {format}");
    }
}

#[tokio::test]
async fn mistakes_in_a_down_file_refuse_only_the_undo() {
    let up = "INSERT INTO done VALUES ('up');";
    let down = "DELETE FROM done;\nSELECT 'no end;\n";
    let goose = format!("-- +goose Up\n{up}\n-- +goose Down\n{down};\n");
    let dbmate = format!("-- migrate:up\n{up}\n-- migrate:down\n{down}");
    let cases: [(&str, Vec<(&'static str, &str)>); 6] = [
        ("diesel", vec![("1_a/up.sql", up), ("1_a/down.sql", down)]),
        ("sqlx", vec![("1_a.up.sql", up), ("1_a.down.sql", down)]),
        (
            "golang-migrate",
            vec![("1_a.up.sql", up), ("1_a.down.sql", down)],
        ),
        ("flyway", vec![("V1__a.sql", up), ("U1__a.sql", down)]),
        ("goose", vec![("1_a.sql", &goose)]),
        ("dbmate", vec![("1_a.sql", &dbmate)]),
    ];
    for (format, files) in cases {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        let runner = || Runner::new(&pool).files(folder_of(format, &files));
        runner().run().await.unwrap();
        let error = runner().undo(UndoTarget::Count(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        let problems = error.problems();
        let problem = problems[0].to_string();
        assert!(problem.contains("no closing '"), "{format}: {problem}");
        assert_eq!(done(&pool).await, ["up"], "{NAME}, {format}");
    }
}

#[tokio::test]
async fn enum_values_are_added_between_other_statements() {
    // Only PostgreSQL has such types. Since version 12 a transaction can hold the statement.
    if NAME != "PostgreSQL" {
        let database = Backend::fresh().await;
        let pool = with_table(&database, 1).await;
        assert!(
            try_execute(&pool, "ALTER TYPE a ADD VALUE 'b'")
                .await
                .is_err()
        );
        return;
    }
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let files = folder_of(
        "flyway",
        &[
            ("V1__a.sql", "CREATE TYPE colour AS ENUM ('red');"),
            (
                "V2__b.sql",
                "ALTER TYPE colour ADD VALUE 'blue';\nINSERT INTO done VALUES ('2');",
            ),
            (
                "V3__c.sql",
                "INSERT INTO done VALUES ('blue'::colour::text);",
            ),
        ],
    );
    Runner::new(&pool).files(files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["2", "blue"]);
}
