//! Undo.

use flamingock_tests::{Backend, scenarios};
use serde_json::json;

use crate::app::{App, texts};

scenarios!(sqlite, postgres, mariadb; undone_changes_are_pending_again);

async fn undone_changes_are_pending_again<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let undo = |arguments: &[&str]| {
        let (code, document) = app.json(&[&["undo"], arguments].concat());
        assert_eq!(code, 0, "{document}");
        match document["report"]["stages"].as_array().unwrap().first() {
            Some(stage) => texts(&stage["changes"], "id"),
            None => Vec::new(),
        }
    };
    assert_eq!(
        app.text(&["apply"]),
        "orders: 3 newly applied in <n> ms
  newly applied  0001 create-orders (<n> ms)
  newly applied  0002 orders-topic (<n> ms)
  newly applied  0003 first-order (<n> ms)
"
    );
    assert_eq!(
        app.text(&["undo", "--last", "--plan"]),
        "1 change would be undone, in this order\nORDER  CHANGE  TARGET\n0003  first-order  default\n"
    );
    let (code, document) = app.json(&["undo", "--count", "2", "--plan"]);
    assert_eq!(code, 0, "{document}");
    let planned = texts(&document["report"]["stages"][0]["changes"], "id");
    assert_eq!(planned, ["first-order", "orders-topic"]);
    assert_eq!(app.status(), ["applied"; 3]);
    assert_eq!(
        app.text(&["undo", "--last"]),
        "orders: 1 undone in <n> ms
  undone  0003 first-order (<n> ms)
  warning: instances that have these changes apply them again at their next start: first stop them, or deploy a release without the changes
"
    );
    let plan = app.run(&["plan"]);
    assert_eq!(plan.code, 10);
    assert_eq!(
        crate::app::normalise(&plan.stdout),
        "orders: 1 pending, 2 applied
ORDER  CHANGE  TARGET  PLAN  NOTE
0003  first-order  default  apply  it was undone
"
    );

    assert_eq!(undo(&["orders-topic"]), ["orders-topic"]);
    assert!(!app.folder().join("broker/orders").exists());
    assert_eq!(app.status(), ["applied", "pending", "pending"]);
    assert_eq!(undo(&["--to", "create-orders"]), [""; 0]);
    assert_eq!(
        app.text(&["undo", "--to", "create-orders"]),
        "nothing to undo\n"
    );
    assert_eq!(undo(&["--count", "7"]), ["create-orders"]);
    let (code, document) = app.json(&["apply"]);
    assert_eq!(code, 0, "{document}");

    let run = document["report"]["run_id"].as_str().unwrap();
    let all = ["first-order", "orders-topic", "create-orders"];
    assert_eq!(undo(&["--run", run]), all);
    assert_eq!(app.text(&["undo", "--run", run]), "nothing to undo\n");
    let unknown = app.run(&["undo", "--run", "0123"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("no run \"0123\""), "{unknown:?}");
    assert_eq!(app.run(&["apply"]).code, 0);

    let pool = database.pool(1).await;
    flamingock_tests::execute(
        &pool,
        "UPDATE flamingock_audit SET change_id = 'of-a-newer-release', digest = 'v1:0' WHERE change_id = 'first-order'",
    )
    .await;
    let refused = app.run(&["undo", "--last"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("1 applied change is not in this binary: nothing was undone"),
        "{refused:?}"
    );
    assert_eq!(undo(&["--last", "--force"]), ["orders-topic"]);
    flamingock_tests::execute(
        &pool,
        "UPDATE flamingock_audit SET change_id = 'first-order' WHERE change_id = 'of-a-newer-release'",
    )
    .await;
    assert_eq!(app.run(&["apply"]).code, 0);

    let failed = app.run_with("BROKER_DOWN", "1", &["undo", "orders-topic"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let guidance = app.text(&["issue", "show", "orders-topic", "--guidance"]);
    assert!(guidance.contains(": its undo failed.\n"), "{guidance}");
    assert!(
        guidance.contains("An undo called it, and it failed:"),
        "{guidance}"
    );
    let resolved = [
        "issue",
        "resolve",
        "orders-topic",
        "--applied",
        "--reason",
        "it is there",
    ];
    assert_eq!(app.run(&resolved).code, 0);

    let (code, document) = app.json(&["undo", "nobody"]);
    assert_eq!((code, &document["error"]["kind"]), (2, &json!("invalid")));
    assert_eq!(app.status(), ["applied"; 3]);
}
