//! Whether the audit agrees with the systems.

use flamingock_tests::{Backend, execute, scenarios};
use serde_json::json;

use crate::app::{App, normalise, texts};

scenarios!(sqlite, postgres, mariadb; verify_exits_with_3_when_audit_and_systems_differ);

async fn verify_exits_with_3_when_audit_and_systems_differ<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let verdicts = || {
        let (code, document) = app.json(&["verify"]);
        (code, texts(&document["changes"], "verdict").concat())
    };
    let is = |code: i32, verdict: &str| (code, verdict.to_owned());

    // There is no table and no audit.
    let (code, document) = app.json(&["verify"]);
    let answer = &document["changes"][0];
    assert_eq!((code, &answer["verdict"]), (3, &json!("unknown")));
    assert_eq!(
        (&answer["state"], &answer["present"]),
        (&json!(null), &json!(null))
    );
    assert!(answer["error"][0].is_string(), "{answer}");

    assert_eq!(app.run(&["apply"]).code, 0);
    assert_eq!(verdicts(), is(0, "consistent"));
    let pool = database.pool(1).await;
    execute(&pool, "DELETE FROM orders").await;
    assert_eq!(verdicts(), is(3, "missing"));
    let table = app.run(&["verify"]);
    assert_eq!(table.code, 3);
    assert_eq!(
        normalise(&table.stdout),
        "CHANGE  TARGET  STATE  EFFECT  NOTE
first-order  default  APPLIED  absent  applied, and its effect is missing
"
    );

    assert_eq!(app.run(&["undo", "--last"]).code, 0);
    assert_eq!(verdicts(), is(0, "consistent"));
    execute(&pool, "INSERT INTO orders VALUES (1, 'by hand')").await;
    assert_eq!(verdicts(), is(3, "unexpectedly_present"));
    let off = app.run_with("FLAMINGOCK_MODE", "nonsense", &["verify"]);
    assert_eq!(off.code, 3, "{off:?}");
    let (_, document) = app.json(&["audit", "list", "--history"]);
    assert!(
        texts(&document["entries"], "origin")
            .iter()
            .all(|origin| origin != "verify"),
        "{document}"
    );
}
