//! Arguments, files, and a missing database.

use std::fs;

use flamingock_tests::{Backend, scenarios};
use serde_json::json;

use crate::app::App;

scenarios!(sqlite, postgres, mariadb; missing_database_is_not_treated_as_empty);

#[test]
fn wrong_arguments_exit_with_2_before_anything_is_touched() {
    let app = App::on_a_file();
    for arguments in [
        &["aply"][..],
        &[],
        &["undo"],
        &["undo", "--last", "--count", "2"],
        &["issue", "resolve", "orders-topic", "--applied"],
        &[
            "audit",
            "fix",
            "-c",
            "orders-topic",
            "-r",
            "DONE",
            "--reason",
            "x",
        ],
        &[
            "issue",
            "resolve",
            "orders-topic",
            "--applied",
            "--rolled-back",
            "--reason",
            "x",
        ],
        &["issue", "resolve", "orders-topic", "--reason", "x"],
        &["lock", "release"],
        &["lock", "release", "--reason", "..."],
        &[
            "issue",
            "resolve",
            "orders-topic",
            "--applied",
            "--reason",
            " <reason> ",
        ],
        &["baseline", "orders-topic", "--reason", "TEXT"],
        &["audit", "list", "--since", "yesterday"],
        &["status", "--color", "sometimes"],
        &["manifest", "--check", "a", "--write", "b"],
        &["completions", "cobol"],
    ] {
        let ran = app.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        let (code, document) = app.json(arguments);
        assert_eq!(
            (code, &document["error"]["kind"]),
            (2, &json!("usage")),
            "{arguments:?}"
        );
    }
    assert!(!app.folder().join("operations.db").exists());
    assert_eq!(app.run(&["--help"]).code, 0);
    assert_eq!(app.run(&["undo", "--help"]).code, 0);
}

#[test]
fn command_overrides_the_mode_of_the_environment() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("FLAMINGOCK_MODE", "off", &["check"]).code, 10);
    assert_eq!(app.run_with("FLAMINGOCK_MODE", "off", &["apply"]).code, 0);
    assert_eq!(app.status(), ["applied"; 3]);
}

#[test]
fn quiet_prints_nothing_and_verbose_prints_every_change() {
    let app = App::on_a_file();
    assert_eq!(app.text(&["apply", "--quiet"]), "");
    assert_eq!(app.text(&["-q", "check"]), "");
    assert!(app.text(&["status", "-q"]).contains("create-orders"));
    assert_eq!(
        app.text(&["apply"]),
        "orders: up to date, 3 changes applied\n"
    );
    assert_eq!(
        app.text(&["apply", "-v"]),
        "orders: up to date, 3 changes applied
ORDER  CHANGE  TARGET  OUTCOME
0001  create-orders  default  already applied
0002  orders-topic  events  already applied
0003  first-order  default  already applied
"
    );
}

#[test]
fn verbose_logs_to_standard_error() {
    let app = App::on_a_file();
    let silent = app.run(&["apply"]);
    assert_eq!((silent.code, silent.stderr.as_str()), (0, ""));
    let undo = ["undo", "--last", "-v", "--json"];
    let said = app.run(&undo);
    assert_eq!(said.json()["report"]["counts"]["undone"], 1);
    assert!(said.stderr.contains(" INFO "), "{said:?}");
    assert!(said.stderr.contains("first-order"), "{said:?}");
    assert!(!said.stderr.contains('\u{1b}'), "{said:?}");
    // Text on standard output is not repeated.
    assert!(!said.stderr.contains("1 undone in"), "{said:?}");
    assert!(!said.stderr.contains("DEBUG"), "{said:?}");

    let all = app.run(&["apply", "-vv"]);
    assert_eq!(all.code, 0);
    for line in [
        "lock acquired",
        "looked at the audit",
        "lock released",
        "change begins",
        "change applied change.id=\"first-order\" stage=\"default\" target=\"default\" \
         outcome=\"newly_applied\" attempt=2",
    ] {
        assert!(all.stderr.contains(line), "{line} in {all:?}");
    }
    let quiet = app.run(&["apply", "-qvv"]);
    assert_eq!(
        (quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()),
        (0, "", "")
    );
    assert_eq!(app.central(&["status", "-vv"]).stderr, "");
}

#[test]
fn unreachable_database_exits_with_5() {
    let app = App::on("postgres://nobody@127.0.0.1:1/nothing");
    let (code, document) = app.json(&["apply"]);
    assert_eq!(
        (code, &document["error"]["kind"]),
        (5, &json!("store")),
        "{document}"
    );
    assert_eq!(
        document["error"]["causes"][0],
        json!(
            "no connection to PostgreSQL at 127.0.0.1:1, database \"nothing\" within 5s: nothing \
             answers there, or others use all that the pool may have (10)"
        )
    );
    assert_eq!(app.run(&["schema"]).code, 0);
    assert_eq!(app.run(&["manifest"]).code, 0);
}

async fn missing_database_is_not_treated_as_empty<B: Backend>() {
    let database = B::fresh().await;
    let (server, _) = database.url.rsplit_once('/').unwrap();
    let app = App::on(&format!("{server}/misspelled"));
    for command in ["plan", "apply", "status"] {
        let (code, document) = app.json(&[command]);
        assert_eq!(code, 5, "{command}: {document}");
        let causes = &document["error"]["causes"];
        let place = causes[0].as_str().unwrap();
        assert!(
            place.starts_with("no connection to ") && place.contains("misspelled"),
            "{causes}"
        );
        assert_eq!(causes.as_array().unwrap().len(), 2, "once: {causes}");
    }
}

#[test]
fn misspelled_id_suggests_the_nearest_one() {
    let app = App::on_a_file();
    assert_eq!(app.run(&["apply"]).code, 0);
    for arguments in [
        &["undo", "orders-topc"][..],
        &["undo", "--to", "order-topic"],
        &["issue", "show", "orderstopic"],
        &["baseline", "orders-tpoic", "--reason", "x"],
        &[
            "issue",
            "resolve",
            "orders_topic",
            "--applied",
            "--reason",
            "x",
        ],
    ] {
        let ran = app.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(
            ran.stderr.ends_with(". Did you mean \"orders-topic\"?\n"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[test]
fn differing_manifest_is_refused_and_can_be_rewritten() {
    let app = App::on_a_file();
    assert_eq!(
        app.text(&["manifest", "--write", "changes.lock"]),
        "written to changes.lock: commit it\n"
    );
    let file = app.folder().join("changes.lock");
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(app.run(&["manifest"]).stdout, written);
    assert_eq!(app.json(&["manifest", "--check", "changes.lock"]).0, 0);

    fs::write(&file, written.replace("0003", "0004")).unwrap();
    let (code, document) = app.json(&["manifest", "--check", "changes.lock"]);
    assert_eq!(
        (code, &document["error"]["kind"]),
        (2, &json!("manifest_differs"))
    );
    let next = document["error"]["next"][0].as_str().unwrap();
    assert_eq!(app.shell(next).code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    let (code, document) = app.json(&["manifest", "--check", "nowhere"]);
    assert_eq!((code, &document["error"]["kind"]), (2, &json!("file")));
}

#[test]
fn shells_complete_the_commands() {
    let app = App::on_a_file();
    for shell in ["bash", "zsh", "fish"] {
        let script = app.run(&["completions", shell]).stdout;
        assert!(
            script.contains("operations") && script.contains("manifest"),
            "{script}"
        );
    }
    let schema = app.json(&["schema"]).1;
    assert!(
        schema["schema"]
            .as_str()
            .unwrap()
            .contains("flamingock_audit"),
        "{schema}"
    );
}
