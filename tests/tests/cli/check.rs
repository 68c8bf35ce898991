//! `check --wait`: one process that polls until nothing is pending.

use std::time::{Duration, Instant};

use flamingock_tests::{Backend, Driver, scenarios};
use serde_json::{Value, json};

use crate::app::App;

scenarios!(
    sqlite, postgres, mariadb;
    waiting_check_succeeds_once_another_process_has_applied_everything,
    waiting_check_ends_at_an_issue,
    waiting_check_has_a_limit_and_pauses_between_its_polls,
);

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the command, and waits until it has polled.
async fn waiting(app: &App) -> Driver {
    let command = ["check", "--wait", "10m", "-v", "--json"];
    // Standard output has the one document, so the log is sent to a pipe of its own: the shell
    // exchanges both.
    let program = format!("exec 3>&1 1>&2 2>&3; exec operations {}", command.join(" "));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &program]);
    app.surround(&mut shell);
    let mut driver = Driver::spawn(shell.into()).unwrap();
    let line = "waiting for pending changes";
    driver.line(line, PATIENCE).await.unwrap();
    driver
}

async fn waiting_check_succeeds_once_another_process_has_applied_everything<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let waiting = waiting(&app).await;
    assert_eq!(app.run(&["apply"]).code, 0);
    let ended = waiting.finish(PATIENCE).await.unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let document: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(
        document["report"]["counts"]["already_applied"], 3,
        "{document}"
    );
}

async fn waiting_check_ends_at_an_issue<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let waiting = waiting(&app).await;
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let ended = waiting.finish(PATIENCE).await.unwrap();
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let document: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(document["error"]["kind"], "issues", "{document}");
}

async fn waiting_check_has_a_limit_and_pauses_between_its_polls<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let began = Instant::now();
    let ran = app.run(&["check", "--wait", "2s", "-v"]);
    let took = began.elapsed();
    assert_eq!(ran.code, 10, "{ran:?}");
    assert!(took >= Duration::from_secs(2), "{took:?}");
    // At most the polls that a waiter for the lock makes in that time.
    let polls = ran.stderr.matches("waiting for pending changes").count();
    assert!((2..25).contains(&polls), "{polls} in {took:?}: {ran:?}");
}

#[tokio::test]
async fn waiting_check_is_ended_by_a_signal() {
    let app = App::on_a_file();
    let mut waiting = waiting(&app).await;
    waiting.terminate().unwrap();
    let ended = waiting.finish(PATIENCE).await.unwrap();
    assert_eq!(ended.status.code(), Some(143), "{ended:?}");
    let document: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(document["error"]["kind"], "cancelled", "{document}");
}

#[test]
fn wait_tolerates_a_database_that_is_not_reachable_yet() {
    // Nothing listens there.
    let app = App::on("postgres://nobody@127.0.0.1:1/nothing");
    let began = Instant::now();
    let (code, document) = app.json(&["check", "--wait", "500ms"]);
    assert_eq!(
        (code, &document["error"]["kind"]),
        (5, &json!("store")),
        "{document}"
    );
    assert!(began.elapsed() >= Duration::from_millis(500));
}
