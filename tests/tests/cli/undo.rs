//! Taking changes back.

use flamingock_tests::{Backend, scenarios};
use serde_json::json;

use crate::app::{App, texts};

scenarios!(sqlite, postgres, mariadb; what_was_undone_is_pending_again);

async fn what_was_undone_is_pending_again<B: Backend>() {
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
        app.text(&["undo", "--last"]),
        "orders: 1 rolled back in <n> ms
  rolled back  0003 first-order (<n> ms)
pending again: `operations apply` runs it
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

    assert_eq!(undo(&["--change", "orders-topic"]), ["orders-topic"]);
    assert!(!app.folder().join("broker/orders").exists());
    assert_eq!(app.status(), ["applied", "pending", "pending"]);
    assert_eq!(undo(&["--to", "create-orders"]), [""; 0]);
    assert_eq!(
        app.text(&["undo", "--to", "create-orders"]),
        "nothing to undo\n"
    );
    assert_eq!(undo(&["--count", "7"]), ["create-orders"]);
    assert_eq!(app.run(&["apply"]).code, 0);

    let failed = app.run_with("BROKER_DOWN", "1", &["undo", "--change", "orders-topic"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let guidance = app.text(&["issue", "get", "orders-topic", "--guidance"]);
    assert!(guidance.contains(": its undo failed.\n"), "{guidance}");
    assert!(
        guidance.contains("An undo called it, and it failed:"),
        "{guidance}"
    );
    let settled = [
        "audit",
        "fix",
        "-c",
        "orders-topic",
        "-r",
        "APPLIED",
        "--reason",
        "it is there",
    ];
    assert_eq!(app.run(&settled).code, 0);

    let (code, document) = app.json(&["undo", "--change", "nobody"]);
    assert_eq!((code, &document["error"]["kind"]), (2, &json!("invalid")));
    assert_eq!(app.status(), ["applied"; 3]);
}
