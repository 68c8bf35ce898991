//! Changes that a file declares.

use flamingock::{ErrorKind, Outcome, UndoTarget, change, changes};
use flamingock_tests::{Backend as _, audit, done, execute, folder, query, strings, with_table};

use super::note_template::{known, runner};
use super::{Backend, Connection};

#[change(id = "code", order = "0002", register = false)]
async fn code(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('2 code')")
        .await
        .map(drop)
}

const SQL: &str = "INSERT INTO done VALUES ('1 sql')";

const YAML: &str = "\
# Adds a note.
template: note
author: ada
apply: { add: '3 yaml' }
rollback:
  remove: '3 yaml'
verify: 3 yaml
";

const TOML: &str = "\
template = 'sql'
apply.sql = '''
INSERT INTO done VALUES ('4 toml');
INSERT INTO done VALUES ('5 toml; too');
'''
rollback = \"DELETE FROM done WHERE what LIKE '%toml%'\"
";

#[tokio::test]
async fn declared_changes_run_in_one_order_with_sql_and_code() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let files = folder(&[
        ("0001__sql.sql", SQL),
        ("0003__yaml.yaml", YAML),
        ("0004__toml.toml", TOML),
    ]);
    let runner = || {
        flamingock::Runner::new(&pool)
            .templates(known())
            .changes(changes![code])
            .files(files)
    };
    let report = runner().run().await.unwrap();
    let ids: Vec<&str> = report.changes().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, ["sql", "code", "yaml", "toml"]);
    assert_eq!(report.counts().newly_applied, 4);
    let all = ["1 sql", "2 code", "3 yaml", "4 toml", "5 toml; too"];
    assert_eq!(done(&pool).await, all);
    assert!(
        audit(&pool)
            .await
            .iter()
            .all(|line| line.ends_with("1 APPLIED shared"))
    );
    let recorded = "SELECT author, description, location FROM flamingock_audit \
                    WHERE change_id = 'yaml' AND state = 'APPLIED'";
    assert_eq!(
        strings(&pool, recorded).await,
        ["ada|Adds a note.|changes/0003__yaml.yaml:2"]
    );
    assert!(runner().run().await.unwrap().is_up_to_date());
    let manifest = runner().manifest().unwrap();
    assert!(
        manifest.contains("default 0003 \"yaml\" target=default transaction v1:"),
        "{manifest}"
    );

    runner().undo(UndoTarget::Count(2)).await.unwrap();
    assert_eq!(done(&pool).await, all[..2]);
    let latest = audit(&pool).await;
    assert_eq!(
        latest[4..],
        ["toml 1 ROLLED_BACK shared", "yaml 1 ROLLED_BACK shared"]
    );
}

#[tokio::test]
async fn doubled_dollar_before_a_brace_reaches_the_database_as_one() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml =
        "template: sql\napply: \"INSERT INTO done VALUES ('$${NAME}')\"\ntransaction: false\n";
    let toml = "template = 'sql'\napply = \"INSERT INTO done VALUES ('$$${NAME} $5 $${')\"\n";
    let files = [("0001__a.yaml", yaml), ("0002__b.toml", toml)];
    runner(&pool, &files).run().await.unwrap();
    assert_eq!(done(&pool).await, ["$${NAME} $5 ${", "${NAME}"]);
}

#[tokio::test]
async fn failure_in_a_transaction_leaves_nothing_and_names_the_line_of_the_statement() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = "template: sql\napply: |\n\n  INSERT INTO done VALUES ('a');\n  INSERT INTO nowhere VALUES (1);\n";
    let error = runner(&pool, &[("0001__sql.yaml", yaml)])
        .run()
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("changes/0001__sql.yaml:5: `INSERT INTO nowhere VALUES (1)` failed"),
        "{text}"
    );
    assert_eq!(done(&pool).await, [""; 0]);
    assert_eq!(
        audit(&pool).await,
        ["sql 1 FAILED shared", "sql 1 ROLLED_BACK shared"]
    );
}

#[tokio::test]
async fn rollback_reverses_a_failure_outside_a_transaction() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = "\
template: note
transaction: false
apply: { add: a, fail: refused }
rollback: { remove: a }
";
    let error = runner(&pool, &[("0001__a.yaml", yaml)])
        .run()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("refused"), "{error}");
    assert_eq!(done(&pool).await, [""; 0]);
    assert_eq!(
        audit(&pool).await,
        [
            "a 1 STARTED none",
            "a 1 FAILED none",
            "a 1 ROLLED_BACK none"
        ]
    );
}

#[tokio::test]
async fn verify_function_of_a_template_gets_the_payload_of_the_file() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let files = [("0003__yaml.yaml", YAML)];
    runner(&pool, &files).run().await.unwrap();
    let there = runner(&pool, &files).verify().await.unwrap();
    assert_eq!(there[0].present, Some(true));
    execute(&pool, "DELETE FROM done").await;
    let gone = runner(&pool, &files).verify().await.unwrap();
    assert_eq!(gone[0].present, Some(false));

    // An effect that already exists is recorded as applied without a run.
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    execute(&pool, "INSERT INTO done VALUES ('3 yaml')").await;
    let report = runner(&pool, &files).adopt_verified().run().await.unwrap();
    assert_eq!(report.stages[0].changes[0].outcome, Outcome::AlreadyApplied);
    assert_eq!(done(&pool).await, ["3 yaml"]);
}

#[tokio::test]
async fn placeholders_are_taken_from_the_environment_when_files_are_read() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    // Cargo sets this one.
    let yaml = "\
template: note
apply:
  add: \"${CARGO_PKG_NAME} and $${CARGO_PKG_NAME}\"
  times: \"${NOBODY_SETS_THIS:-2}\"
";
    runner(&pool, &[("0001__a.yaml", yaml)])
        .run()
        .await
        .unwrap();
    assert_eq!(
        done(&pool).await,
        ["flamingock-tests and ${CARGO_PKG_NAME}"; 2]
    );
}

#[tokio::test]
async fn every_mistake_of_every_file_is_found_before_anything_runs() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let error = runner(
        &pool,
        &[
            ("0001__sql.sql", SQL),
            ("0002__a.yaml", "template: nte\napply: {}\n"),
            (
                "0003__b.yaml",
                "template: note\nrollback: { ad: a }\napply:\n  add: 'a'\n  times: many\n",
            ),
            (
                "0004__c.toml",
                "template = \"note\"\n[[steps]]\napply = { add = \"${NOBODY_SETS_THIS}\" }\n",
            ),
        ],
    )
    .changes(changes![code])
    .run()
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "changes/0002__a.yaml:1: unknown template `nte`, did you mean `note`?",
        "changes/0003__b.yaml:2: unknown key `ad`, did you mean `add`?",
        "changes/0003__b.yaml:5: `times`: the text \"many\" is not u8",
        "changes/0004__c.toml:3: the variable `NOBODY_SETS_THIS` is not set",
    ];
    assert_eq!(texts.len(), expected.len(), "{texts:#?}");
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text}");
    }
    assert_eq!(done(&pool).await, [""; 0]);
}

#[tokio::test]
async fn change_that_a_file_and_code_both_have_is_named_with_both_places() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = "template: note\napply: { add: a }\n";
    let error = runner(&pool, &[("0002__code.yml", yaml)])
        .changes(changes![code])
        .run()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let problems = error.problems();
    let place = changes![code][0].location().to_string();
    for problem in problems {
        let text = problem.to_string();
        assert!(text.starts_with("changes/0002__code.yml:1: "), "{text}");
        assert!(text.contains(&place), "{text}");
    }
    assert_eq!(problems.len(), 2);
}
