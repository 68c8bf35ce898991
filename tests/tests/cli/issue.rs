//! From a failure to its resolution by an operator.

use flamingock_tests::{Backend, scenarios};
use serde_json::{Value, json};

use crate::app::{App, Ran, normalise, texts};

scenarios!(
    sqlite, postgres, mariadb;
    script_detects_a_failure_and_resolves_it,
    suggested_commands_that_resolve_an_issue_work_when_pasted,
    audit_is_listed_by_change_time_and_state,
);

fn fails(app: &App, arguments: &[&str]) -> Ran {
    app.run_with("BROKER_DOWN", "1", arguments)
}

fn outcomes(report: &Value) -> Vec<String> {
    texts(&report["stages"][0]["changes"], "outcome")
}

async fn script_detects_a_failure_and_resolves_it<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);

    let (code, document) = app.json(&["plan"]);
    assert_eq!(code, 10, "{document}");
    assert_eq!(outcomes(&document["report"]), ["not_reached"; 3]);
    let (code, document) = app.json(&["check"]);
    assert_eq!((code, &document["error"]["kind"]), (10, &json!("pending")));
    assert_eq!(app.json(&["audit", "list"]), (0, json!({ "entries": [] })));
    assert_eq!(
        app.json(&["lock", "status"]),
        (0, json!({ "lock": null, "lanes": [] }))
    );

    let failed = fails(&app, &["apply", "--json"]);
    let error = &failed.json()["error"];
    assert_eq!((failed.code, &error["kind"]), (1, &json!("changes_failed")));
    assert_eq!(error["message"], "\"orders-topic\" failed");
    assert_eq!(
        outcomes(&error["report"]),
        ["newly_applied", "failed", "blocked"]
    );
    assert_eq!(error["report"]["counts"]["failed"], 1);
    assert_eq!(failed.stderr, "");

    for command in ["apply", "check"] {
        let (code, document) = app.json(&[command]);
        assert_eq!(
            (code, &document["error"]["kind"]),
            (3, &json!("issues")),
            "{document}"
        );
    }
    let (code, document) = app.json(&["plan"]);
    assert_eq!(code, 3, "{document}");
    assert_eq!(app.status(), ["applied", "issue", "pending"]);

    let (code, document) = app.json(&["issue", "list"]);
    let issue = &document["issues"][0];
    assert_eq!((code, &issue["change_id"]), (0, &json!("orders-topic")));
    assert_eq!(issue["cause"], "rollback_failed");
    assert_eq!(issue["may_be_running"], false);
    assert_eq!(app.json(&["issue", "show", "create-orders"]).0, 2);
    assert_eq!(app.json(&["issue", "show", "nobody"]).0, 2);

    let fix = [
        "issue",
        "resolve",
        "orders-topic",
        "--applied",
        "--reason",
        "seen there",
    ];
    // The name that Flamingock for Java uses.
    let java = [
        "audit",
        "fix",
        "-c",
        "orders-topic",
        "-r",
        "APPLIED",
        "--reason",
        "seen there",
    ];
    for (result, arguments) in [("recorded", &java[..]), ("unchanged", &fix[..])] {
        let (code, document) = app.json(arguments);
        let resolution = &document["resolution"];
        assert_eq!(
            (code, &resolution["result"]),
            (0, &json!(result)),
            "{document}"
        );
    }
    let (code, document) = app.json(&["apply"]);
    assert_eq!(code, 0, "{document}");
    let expected = ["already_applied", "already_applied", "newly_applied"];
    assert_eq!(outcomes(&document["report"]), expected);
    assert_eq!(app.json(&["check"]).0, 0);
    assert_eq!(app.json(&["plan"]).0, 0);
    assert_eq!(app.status(), ["applied"; 3]);
    assert_eq!(app.json(&["issue", "list"]), (0, json!({ "issues": [] })));
    let (_, document) = app.json(&["lock", "status"]);
    assert_eq!(document["lock"]["held"], false);
}

async fn suggested_commands_that_resolve_an_issue_work_when_pasted<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let failed = fails(&app, &["apply"]);
    assert_eq!(failed.code, 1);
    assert_eq!(failed.stdout, "");
    assert_eq!(
        normalise(&failed.stderr),
        r#"error: "orders-topic" failed
orders: 1 newly applied, 1 failed, 1 blocked in <n> ms
  newly applied  0001 create-orders (<n> ms)
  failed  0002 orders-topic (<n> ms)
                  its rollback failed: its effects are unknown
                  the rollback failed: the broker did not answer: it was to undo this failure: the broker did not answer [target events]
                  at <location>
  blocked  0003 first-order
  target events: the topics that other services read
next:
  what happened, and what to look at:
    operations issue show orders-topic --guidance
  if its effect is there:
    operations issue resolve orders-topic --applied --reason "..."
  if nothing of it is there, and the next apply is to run it:
    operations issue resolve orders-topic --rolled-back --reason "..."
"#
    );

    let guidance = app.shell(
        failed
            .stderr
            .lines()
            .find(|line| line.contains("--guidance"))
            .unwrap(),
    );
    assert_eq!((guidance.code, guidance.stderr.as_str()), (0, ""));
    assert_eq!(
        normalise(&guidance.stdout),
        r#"0002 orders-topic at <location>

What happened
  Attempt 1, of <time>: its rollback failed: its effects are unknown.

Error
  the rollback failed
  the broker did not answer
  it was to undo this failure
  the broker did not answer

Transaction
  None: no database has rolled back what it did before it stopped.

Rollback
  It ran and failed: what it did before the failure remains.

Look at
  The target system "events" (the topics that other services read): is all of "orders-topic" there, a part of it, or nothing?
  Its description: Creates the `orders` topic read by billing and shipping.

On record
  <time> STARTED by run <id>, operator <operator>
  <time> FAILED by run <id>, operator <operator>
  <time> ROLLBACK_FAILED by run <id>, operator <operator>

Then
  If all of it is there, or you have completed it:
    operations issue resolve orders-topic --applied --reason "..."
  If nothing of it is there, or you have removed what was; the next apply runs it:
    operations issue resolve orders-topic --rolled-back --reason "..."
"#
    );

    let rolled_back = guidance
        .stdout
        .lines()
        .find(|line| line.contains("--rolled-back"))
        .unwrap();
    // Pasted without an edit, it has no reason.
    let unfilled = app.shell(rolled_back);
    assert_eq!(unfilled.code, 2, "{unfilled:?}");
    assert!(unfilled.stderr.contains("placeholder"), "{unfilled:?}");
    let resolved = app.shell(&rolled_back.replace("...", "no such topic"));
    assert_eq!(
        resolved.stdout,
        "recorded: \"orders-topic\" is ROLLED_BACK\n"
    );
    assert_eq!(app.run(&["apply"]).code, 0);
    assert!(app.folder().join("broker/orders").exists());
    let (_, document) = app.json(&["audit", "list", "orders-topic", "--history"]);
    let states = texts(&document["entries"], "state");
    let expected = [
        "STARTED",
        "FAILED",
        "ROLLBACK_FAILED",
        "MANUAL_MARKED_AS_ROLLED_BACK",
        "STARTED",
        "APPLIED",
    ];
    assert_eq!(states, expected);
}

async fn audit_is_listed_by_change_time_and_state<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(fails(&app, &["apply"]).code, 1);
    let entries = |arguments: &[&str]| {
        let (code, document) = app.json(&[&["audit", "list"], arguments].concat());
        assert_eq!(code, 0, "{document}");
        document["entries"].as_array().unwrap().clone()
    };

    let latest = entries(&[]);
    assert_eq!(latest.len(), 2);
    let entry = &latest[1];
    assert_eq!(entry["change_id"], "orders-topic");
    assert_eq!(entry["state"], "ROLLBACK_FAILED");
    assert_eq!(entry["service"], "orders");
    assert_eq!(entry["error"].as_array().unwrap().len(), 4);
    assert!(
        entry["duration_ms"].is_number() && entry["pid"].is_number(),
        "{entry}"
    );
    assert!(
        entry["started_at"].as_str().unwrap().ends_with('Z'),
        "{entry}"
    );

    assert_eq!(entries(&["orders-topic", "--history"]).len(), 3);
    assert_eq!(entries(&["--state", "failed", "--history"]).len(), 1);
    assert_eq!(entries(&["--state", "FAILED"]).len(), 0);
    assert_eq!(entries(&["--since", "2020-01-01T00:00:00+02:00"]).len(), 2);
    assert_eq!(entries(&["--since", "2999-01-01T00:00:00-02:00"]).len(), 0);
    assert_eq!(entries(&["--since", "2h"]).len(), 2);
    assert_eq!(entries(&["--since", "2020-01-01"]).len(), 2);
    let listed = app.run(&["audit", "list", "--history"]).stdout;
    let titles = listed.lines().next().unwrap();
    assert!(titles.contains("ERROR"), "{listed}");
    assert!(listed.contains("the rollback failed"), "{listed}");
    assert_eq!(app.json(&["audit", "list", "--state", "BROKEN"]).0, 2);
    assert_eq!(app.json(&["audit", "list", "--since", "yesterday"]).0, 2);

    let extended = app
        .run(&["audit", "list", "--extended", "--state", "ROLLBACK_FAILED"])
        .stdout;
    for field in [
        "description       Creates the `orders` topic read by billing and shipping.",
        "recovery          manual",
    ] {
        assert!(extended.contains(field), "{extended}");
    }
}
