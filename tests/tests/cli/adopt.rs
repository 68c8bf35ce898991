//! Adopting the history of another tool or service.

use std::fs;

use flamingock_tests::{Backend, execute, scenarios};
use serde_json::json;

use crate::app::{App, texts};

const HISTORY: &str = "CREATE TABLE refinery_schema_history (version INTEGER PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255))";

const ROWS: &str = "INSERT INTO refinery_schema_history VALUES (1, 'orders', '2024-01-31', '1'), (2, 'topic', '2024-01-31', '2')";

scenarios!(sqlite, postgres, mariadb; dry_run_shows_the_effect_on_each_entry_and_change, history_of_another_tool_is_adopted, baseline_is_recorded, history_is_adopted_without_the_application, history_of_another_service_is_adopted);

async fn history_of_another_tool_is_adopted<B: Backend>() {
    let database = B::fresh().await;
    let pool = database.pool(1).await;
    let app = App::on(&database.url);

    let ran = app.run(&["adopt", "refinery"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("no table \"refinery_schema_history\""),
        "{ran:?}"
    );
    execute(&pool, HISTORY).await;
    let empty = app.run(&["adopt", "refinery", "--allow-empty"]);
    assert_eq!(empty.code, 0, "{empty:?}");

    execute(&pool, ROWS).await;
    let ran = app.run(&["adopt", "refinery"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.contains(
            "not one change of refinery's history is here: \"V1__orders\", \"V2__topic\""
        ),
        "{ran:?}"
    );
    fs::write(app.folder().join("map"), "1 = create-order\n").unwrap();
    let ran = app.run(&["adopt", "refinery", "--map", "map"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("mapping, line 1: "), "{ran:?}");

    fs::write(app.folder().join("map"), "1 = create-orders\n").unwrap();
    assert_eq!(
        app.text(&["adopt", "refinery", "--map", "map"]),
        "CHANGE  OF THE OTHER TOOL  OUTCOME
create-orders  V1__orders  adopted
               V2__topic  not here
orders-topic  not in the history
first-order  not in the history
1 change adopted from refinery
"
    );
    assert_eq!(app.status(), ["applied", "pending", "pending"]);
    let (code, document) = app.json(&["adopt", "refinery", "--map", "map"]);
    let adoption = &document["adoption"];
    assert_eq!((code, &adoption["tool"]), (0, &json!("refinery")));
    assert_eq!(adoption["adopted"], json!([]));
    assert_eq!(
        adoption["known"],
        json!([{ "change_id": "create-orders", "past": { "id": "1", "name": "V1__orders", "applied_at": "2024-01-31" } }])
    );
    assert_eq!(texts(&adoption["unmapped"], "name"), ["V2__topic"]);
    assert_eq!(
        adoption["not_in_history"],
        json!(["orders-topic", "first-order"])
    );
    assert_eq!(adoption["left_out"], json!([]));
}

async fn dry_run_shows_the_effect_on_each_entry_and_change<B: Backend>() {
    let database = B::fresh().await;
    let pool = database.pool(1).await;
    let app = App::on(&database.url);
    execute(&pool, HISTORY).await;
    execute(&pool, ROWS).await;
    fs::write(app.folder().join("map"), "1 = create-orders\n").unwrap();
    let arguments = ["adopt", "refinery", "--map", "map", "--dry-run"];
    assert_eq!(
        app.text(&arguments),
        "CHANGE  OF THE OTHER TOOL  COUNTS AS  WHY
create-orders  V1__orders  applied  the mapping says so
               V2__topic  nothing  no change here has its name or version
orders-topic  pending  the history does not have it: a run applies it, unless this service has
first-order  pending  the history does not have it: a run applies it, unless this service has
1 change of refinery would be adopted; nothing was written
"
    );
    assert_eq!(app.status(), ["pending"; 3]);
    let (code, document) = app.json(&arguments);
    assert_eq!(code, 0, "{document}");
    assert_eq!(
        document["dry_run"][0],
        json!({ "change_id": "create-orders", "entry": "V1__orders", "counts_as": "applied", "why": "the mapping says so" })
    );
    assert_eq!(
        texts(&document["adoption"]["adopted"], "change_id"),
        ["create-orders"]
    );
    // A configured table must exist.
    let named = ["adopt", "refinery", "--table", "elsewhere", "--map", "map"];
    let allowed = |more: &'static str| app.run(&[&named[..], &[more]].concat());
    let empty = allowed("--allow-empty");
    assert_eq!(empty.code, 2, "{empty:?}");
    assert!(empty.stderr.contains("although it was named"), "{empty:?}");
    assert_eq!(allowed("--allow-missing").code, 0);
    assert_eq!(app.status(), ["pending"; 3]);
}

async fn baseline_is_recorded<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let baseline = |id: &str| {
        ["baseline", id, "--reason", "restored from a dump"]
            .map(str::to_owned)
            .to_vec()
    };
    let run = |id: &str| {
        let arguments = baseline(id);
        app.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let unknown = run("orders-topics");
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("no change \"orders-topics\""));
    let ran = run("create-orders");
    assert_eq!(
        crate::app::normalise(&ran.stdout),
        "CHANGE  OUTCOME\ncreate-orders  marked as applied\n",
        "{ran:?}"
    );
    let ran = run("orders-topic");
    assert_eq!(
        crate::app::normalise(&ran.stdout),
        "CHANGE  OUTCOME\norders-topic  marked as applied\ncreate-orders  known already\n",
        "{ran:?}"
    );
    assert_eq!(app.status(), ["applied", "applied", "pending"]);
    assert!(!app.folder().join("broker").exists());
}

async fn history_is_adopted_without_the_application<B: Backend>() {
    let database = B::fresh().await;
    let pool = database.pool(1).await;
    let app = App::on(&database.url);
    assert_eq!(app.run(&["manifest", "--write", "changes.lock"]).code, 0);
    execute(&pool, HISTORY).await;
    execute(&pool, ROWS).await;
    fs::write(app.folder().join("map"), "1 = create-orders\n2 = -\n").unwrap();

    let unknown = app.central(&["adopt", "refinery"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("--manifest FILE"), "{unknown:?}");
    let with = |arguments: &[&str]| {
        let all = [&["--manifest", "changes.lock"], arguments].concat();
        app.central_json(&all)
    };
    let (code, document) = with(&["adopt", "refinery", "--map", "map"]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(
        texts(&document["adoption"]["adopted"], "change_id"),
        ["create-orders"]
    );
    let (code, document) = with(&["baseline", "orders-topic", "--reason", "by hand"]);
    assert_eq!(
        (code, &document["baseline"]["recorded"]),
        (0, &json!(["orders-topic"]))
    );

    assert_eq!(app.status(), ["applied", "applied", "pending"]);
    // A record by the manifest equals one by the code.
    let (code, document) = app.json(&["plan"]);
    assert_eq!(code, 10);
    let changes = document["report"]["stages"][0]["changes"]
        .as_array()
        .unwrap();
    assert!(changes.iter().all(|change| change["notes"] == json!([])));
}

async fn history_of_another_service_is_adopted<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(app.run(&["apply"]).code, 0);
    let pool = database.pool(1).await;
    for table in ["audit", "lock", "lease"] {
        let rename = format!("UPDATE flamingock_{table} SET service = 'before'");
        execute(&pool, &rename).await;
    }
    assert_eq!(app.status(), ["pending"; 3]);
    let (code, document) = app.json(&["adopt", "--from-service", "before"]);
    assert_eq!(
        (code, document),
        (0, json!({ "from_service": "before", "adopted": 3 }))
    );
    assert_eq!(app.status(), ["applied"; 3]);
    assert_eq!(app.run(&["adopt", "--from-service", "nobody"]).code, 2);
}

#[test]
fn adoption_needs_explicit_arguments() {
    let app = App::on_a_file();
    for (arguments, expected) in [
        (&["adopt"][..], "<TOOL>"),
        (&["adopt", "sqlxx"], "no tool is called \"sqlxx\""),
        (
            &["adopt", "sqlx", "--from-service", "x"],
            "cannot be used with",
        ),
        (&["adopt", "mongock"], "--export"),
        (
            &["adopt", "sqlx", "--export", "x"],
            "--export is for mongock",
        ),
        (&["adopt", "sqlx", "--map", "none"], "could not read none"),
        (&["baseline", "create-orders"], "--reason"),
    ] {
        let ran = app.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
}
