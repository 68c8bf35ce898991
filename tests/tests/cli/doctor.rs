//! `doctor`: a verdict for each part of the database, and the next step.

use flamingock_tests::{Backend, MariaDb, Postgres, execute, scenarios};
use serde_json::{Value, json};

use crate::app::{App, texts};
use crate::grants::{Granted, Role};
use crate::lock::Waiting;

scenarios!(
    sqlite, postgres, mariadb;
    healthy_database_has_no_finding,
    held_lock_is_noted,
    tables_of_another_format_are_a_problem,
);

/// The check of this name.
fn check<'a>(document: &'a Value, name: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().find(|one| one["check"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {document}"))
}

fn verdict<'a>(document: &'a Value, name: &str) -> &'a str {
    check(document, name)["verdict"].as_str().unwrap()
}

async fn healthy_database_has_no_finding<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    // SQLite creates the file at the first connection of the test.
    database.pool(1).await.close().await;
    let (code, document) = app.json(&["doctor"]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(verdict(&document, "tables"), "note", "{document}");
    assert_eq!(app.run(&["apply"]).code, 0);
    for (code, document) in [app.json(&["doctor"]), app.central_json(&["doctor"])] {
        assert_eq!(code, 0, "{document}");
        let mut expected = vec![
            "connection",
            "versions",
            "tables",
            "rights",
            "clock",
            "lock",
            "pooler",
        ];
        // SQLite has the clock of the machine.
        expected.retain(|name| *name != "clock" || B::NAME != "SQLite");
        assert_eq!(texts(&document["checks"], "check"), expected);
        let verdicts = texts(&document["checks"], "verdict");
        assert!(verdicts.iter().all(|one| one == "ok"), "{document}");
    }
    let text = app.text(&["doctor"]);
    assert!(text.starts_with("CHECK  VERDICT  FINDING\n"), "{text}");
}

async fn held_lock_is_noted<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let waiting = Waiting::start(&app);
    let (code, document) = app.json(&["doctor"]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(verdict(&document, "lock"), "note", "{document}");
    let finding = check(&document, "lock")["finding"].as_str().unwrap();
    assert!(finding.starts_with("held by orders (process "), "{finding}");
    waiting.let_go();
    assert_eq!(waiting.end().code, 0);
}

async fn tables_of_another_format_are_a_problem<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(app.run(&["apply"]).code, 0);
    let pool = database.pool(1).await;
    execute(&pool, "UPDATE flamingock_lock SET format_version = 1000").await;
    let (code, document) = app.json(&["doctor"]);
    assert_eq!(
        (code, verdict(&document, "tables")),
        (5, "problem"),
        "{document}"
    );
    assert!(check(&document, "tables")["next"].is_string(), "{document}");
}

async fn missing_rights_are_named<B: Backend>()
where
    for<'a> &'a sqlx::Pool<B::Db>: flamingock::IntoStorage,
{
    let (granted, _) = Granted::<B>::new(Role::Look).await;
    granted.prepare(Role::Look).await;
    let app = granted.app();
    let (code, document) = app.json(&["doctor"]);
    assert_eq!(
        (code, verdict(&document, "rights")),
        (0, "note"),
        "{document}"
    );
    let finding = check(&document, "rights")["finding"].as_str().unwrap();
    let missing =
        "INSERT on flamingock_audit, UPDATE on flamingock_lock, UPDATE on flamingock_lease";
    assert!(finding.ends_with(missing), "{finding}");
    let next = check(&document, "rights")["next"].as_str().unwrap();
    assert_eq!(next, "operations schema --grants");
    granted.drop_user().await;
}

#[tokio::test]
async fn missing_rights_are_named_on_postgres() {
    missing_rights_are_named::<Postgres>().await;
}

#[tokio::test]
async fn missing_rights_are_named_on_mariadb() {
    missing_rights_are_named::<MariaDb>().await;
}

#[test]
fn unreachable_database_is_the_only_finding() {
    // Nothing listens there.
    let app = App::on("postgres://nobody@127.0.0.1:1/nothing");
    for (code, document) in [app.json(&["doctor"]), app.central_json(&["doctor"])] {
        assert_eq!(code, 5, "{document}");
        assert_eq!(texts(&document["checks"], "check"), ["connection"]);
        assert_eq!(document["checks"][0]["verdict"], json!("problem"));
        assert!(document["checks"][0]["next"].is_string(), "{document}");
    }
}
