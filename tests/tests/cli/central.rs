//! The stand-alone program: operating a service without its code.

use std::fs;

use flamingock::sqlx::{PgPool, SqlitePool};
use flamingock::{
    Batch, BoxError, ErrorKind, IntoStorage, Next, Runner, TableNames, change, changes,
};
use flamingock_tests::{Backend, Postgres, Sqlite, scenarios};
use serde_json::json;

use crate::app::{App, Ran, normalise, texts};
use crate::lock::Waiting;

scenarios!(
    sqlite, postgres, mariadb;
    issue_is_found_and_resolved_without_the_application,
    lock_is_shown_and_released_without_the_application,
    pending_changes_are_known_from_the_manifest,
    database_without_tables_is_refused,
    progress_is_known_without_the_application,
    batches_are_controlled_without_the_application,
);

/// Fails in its third batch.
#[change(id = "fill", order = "0001", batch, register = false)]
async fn fill(batch: Batch<i64>) -> Result<Next<i64>, BoxError> {
    match batch.cursor().copied().unwrap_or(0) + 1 {
        3 => Err("the batch fails".into()),
        number => Ok(Next::after(number).done_rows(20).total_rows(100)),
    }
}

async fn progress_is_known_without_the_application<B: Backend>()
where
    for<'a> &'a sqlx::Pool<B::Db>: IntoStorage,
{
    let database = B::fresh().await;
    let pool = database.pool(2).await;
    let runner = Runner::new(&pool).service("orders").changes(changes![fill]);
    runner.run().await.unwrap_err();
    let app = App::on(&database.url);
    let (_, document) = app.central_json(&["status"]);
    let note = &document["changes"][0]["notes"][0];
    assert_eq!(note["note"], "progress", "{document}");
    assert_eq!(
        (&note["batches"], &note["done_rows"], &note["total_rows"]),
        (&json!(2), &json!(40), &json!(100))
    );
    assert_eq!(
        (&note["state"], &note["attempt"]),
        (&json!("running"), &json!(1))
    );
    let text = app.central(&["status"]).stdout;
    assert!(text.contains("2 batches, 40 of 100 rows (40 %)"), "{text}");
    pool.close().await;
}

async fn batches_are_controlled_without_the_application<B: Backend>()
where
    for<'a> &'a sqlx::Pool<B::Db>: IntoStorage,
{
    let database = B::fresh().await;
    let pool = database.pool(2).await;
    let runner = Runner::new(&pool).service("orders").changes(changes![fill]);
    runner.run().await.unwrap_err();
    let app = App::on(&database.url);
    let list = || app.central(&["batch", "list"]).stdout;
    assert!(
        list().contains("fill    running  2 batches, 40 of 100 rows (40 %)"),
        "{}",
        list()
    );
    let reason = ["--reason", "the disk is full", "--by", "ada"];
    let control = |action: &str| app.central(&[&["batch", action, "fill"][..], &reason].concat());
    assert_eq!(control("pause").stdout, "fill is paused\n");
    let listed = list();
    let is_paused = listed.contains("2 batches, 40 of 100 rows (40 %), paused\n");
    assert!(is_paused, "{listed}");
    assert_eq!(runner.run().await.unwrap_err().kind(), ErrorKind::Pending);
    let history = app
        .central(&["audit", "list", "--history", "--wide"])
        .stdout;
    let paused = history
        .lines()
        .find(|line| line.contains("PAUSED"))
        .unwrap();
    assert!(
        paused.contains("ada") && paused.contains("the disk is full"),
        "{history}"
    );
    assert_eq!(control("resume").stdout, "fill is resumed\n");
    assert_eq!(control("cancel").stdout, "fill is cancelled\n");
    assert_eq!(control("resume").code, 0);
    assert_eq!(control("resume").code, 2);
    let tuned = app.central(&["batch", "tune", "fill", "--size", "5", "--pause", "200ms"]);
    assert_eq!(
        tuned.stdout,
        "fill: 5 rows a batch, 200ms between two batches\n"
    );
    let (_, document) = app.central_json(&["batch", "list"]);
    let one = &document["batches"][0];
    let set = (&one["fixed_size"], &one["pause_ms"], &one["state"]);
    assert_eq!(set, (&json!(5), &json!(200.0), &json!("running")));
    let tuned = app.central(&["batch", "tune", "fill"]).stdout;
    assert_eq!(tuned, "fill: the application decides\n");
    let (_, document) = app.central_json(&["lock", "status"]);
    assert_eq!(document["lanes"], json!([]));
    pool.close().await;
}

fn fails(app: &App) {
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
}

fn statuses(app: &App, arguments: &[&str]) -> Vec<String> {
    let (code, document) = app.central_json(&[&["status"], arguments].concat());
    assert_eq!(code, 0, "{document}");
    texts(&document["changes"], "status")
}

async fn issue_is_found_and_resolved_without_the_application<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    fails(&app);

    assert_eq!(statuses(&app, &[]), ["applied", "issue"]);
    let (_, document) = app.central_json(&["status"]);
    assert_eq!(document["known_from"], "audit", "{document}");
    let (code, document) = app.central_json(&["issue", "list"]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(texts(&document["issues"], "cause"), ["rollback_failed"]);
    assert_eq!(
        document,
        app.json(&["issue", "list"]).1,
        "the application's own says the same"
    );
    let list = app.central(&["issue", "list"]).stdout;
    assert!(list.contains("may resolve some by itself"), "{list}");
    let list = app.run(&["issue", "list"]).stdout;
    assert!(!list.contains("may resolve"), "{list}");
    let own = app.json(&["audit", "list", "--history"]);
    assert_eq!(app.central_json(&["audit", "list", "--history"]), own);

    let guidance = app.central(&["issue", "show", "orders-topic", "--guidance"]);
    assert_eq!(guidance.code, 0, "{guidance:?}");
    let text = normalise(&guidance.stdout);
    for line in [
        "0002 orders-topic at <location>\n",
        "  It ran and failed: what it did before the failure remains.\n",
        "Not known here\n  Whether its code now says `recovery = \"retry\"`",
        "  Its description: Creates the `orders` topic read by billing and shipping.\n",
        "    flamingock --service orders issue resolve orders-topic --applied --reason \"...\"\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let command = guidance
        .stdout
        .lines()
        .find(|line| line.contains("--rolled-back"));
    let pasted = app.central_shell(&command.unwrap().replace("...", "no such topic"));
    assert_eq!((pasted.code, pasted.stderr.as_str()), (0, ""), "{pasted:?}");
    assert_eq!(statuses(&app, &[]), ["applied", "pending"]);
    assert_eq!(app.central_json(&["issue", "list"]).1["issues"], json!([]));
    let (_, document) = app.central_json(&["audit", "list", "orders-topic"]);
    let entry = &document["entries"][0];
    assert_eq!(entry["state"], "MANUAL_MARKED_AS_ROLLED_BACK");
    // Without code, the recorded definition stays.
    assert_eq!(
        entry["description"],
        "Creates the `orders` topic read by billing and shipping."
    );
    assert_eq!(entry["recovery"], "manual");
    assert_eq!(app.run(&["apply"]).code, 0);
    assert_eq!(statuses(&app, &[]), ["applied"; 3]);

    let refused = app.central(&["issue", "show", "nobody"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let healthy = [
        "issue",
        "resolve",
        "first-order",
        "--rolled-back",
        "--reason",
        "x",
    ];
    assert_eq!(app.central_json(&healthy).0, 2);
    let (code, document) = app.central_json(&["status", "--all-services"]);
    assert_eq!((code, &document["services"][0]["applied"]), (0, &json!(3)));
}

async fn lock_is_shown_and_released_without_the_application<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let waiting = Waiting::start(&app);

    assert_eq!(statuses(&app, &[]), ["applied", "running"]);
    let (_, document) = app.central_json(&["issue", "show", "orders-topic", "--guidance"]);
    assert_eq!(document["issue"]["may_be_running"], true, "{document}");
    assert_eq!(document["guidance"]["not_known"], json!([]));
    let impatient = [
        "issue",
        "resolve",
        "orders-topic",
        "--applied",
        "--reason",
        "x",
    ];
    let refused = app.central(&impatient);
    assert_eq!(refused.code, 4, "{refused:?}");
    let next = "    flamingock --service orders lock release --reason \"...\"\n";
    assert!(refused.stderr.contains(next), "{refused:?}");
    assert!(
        !refused.stderr.contains("not in this binary"),
        "{refused:?}"
    );
    let (_, document) = app.central_json(&["lock", "status"]);
    assert_eq!(document["lock"]["held"], true, "{document}");

    let released = app.central(&["lock", "release", "--reason", "the machine is gone"]);
    assert_eq!(released.code, 0, "{released:?}");
    waiting.let_go();
    assert_eq!(waiting.end().code, 4);
    let (_, document) = app.central_json(&["audit", "list", "--history"]);
    let states = texts(&document["entries"], "state");
    assert_eq!(states.last().unwrap(), "MANUAL_LOCK_RELEASED");
    // The entry about the lock belongs to no change.
    assert_eq!(statuses(&app, &[]), ["applied", "issue"]);
    let guidance = app.central(&["issue", "show", "orders-topic", "--guidance"]);
    for line in [
        "  Whether the application has a `#[verify]` function for it",
        "  It was not called: the attempt was interrupted.\n",
    ] {
        assert!(guidance.stdout.contains(line), "{guidance:?}");
    }
}

async fn pending_changes_are_known_from_the_manifest<B: Backend>() {
    let database = B::fresh().await;
    // The database exists and is empty.
    drop(database.pool(1).await);
    let app = App::on(&database.url);
    assert_eq!(app.run(&["manifest", "--write", "changes.lock"]).code, 0);
    let with = ["--manifest", "changes.lock"];
    assert_eq!(statuses(&app, &with), ["pending"; 3]);
    fails(&app);
    assert_eq!(statuses(&app, &with), ["applied", "issue", "pending"]);
    let (_, document) = app.central_json(&["status", "--manifest", "changes.lock"]);
    assert_eq!(document["known_from"], "manifest");
    assert_eq!(
        texts(&document["changes"], "target"),
        ["default", "events", "default"]
    );

    let file = app.folder().join("changes.lock");
    let written = fs::read_to_string(&file).unwrap();
    let line = written.lines().find(|line| line.contains("create-orders"));
    let digest = line.unwrap().rsplit(' ').next().unwrap();
    fs::write(&file, written.replace(digest, "v1:edited")).unwrap();
    let (_, document) = app.central_json(&["status", "--manifest", "changes.lock"]);
    let notes = &document["changes"][0]["notes"];
    assert_eq!(notes, &json!([{ "note": "drifted", "applied": digest }]));

    fs::write(&file, written.replace(line.unwrap(), "")).unwrap();
    assert_eq!(statuses(&app, &with), ["issue", "pending", "missing"]);
    let text = app
        .central(&["status", "--manifest", "changes.lock"])
        .stdout;
    assert!(text.contains("not in the manifest"), "{text}");

    fs::write(&file, written.replace("0003", "3")).unwrap();
    let refused = app.central(&["status", "--manifest", "changes.lock"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.stderr.contains("changes.lock:5: order \"3\""),
        "{refused:?}"
    );
    fs::write(&file, "create-orders\n").unwrap();
    let (code, document) = app.central_json(&["status", "--manifest", "changes.lock"]);
    assert_eq!((code, &document["error"]["kind"]), (2, &json!("invalid")));
    let (code, document) = app.central_json(&["status", "--manifest", "nowhere"]);
    assert_eq!((code, &document["error"]["kind"]), (2, &json!("file")));
}

async fn database_without_tables_is_refused<B: Backend>() {
    let database = B::fresh().await;
    // The database exists and is empty.
    drop(database.pool(1).await);
    let app = App::on(&database.url);
    let kind = |ran: Ran| (ran.code, ran.json()["error"]["kind"].clone());
    for command in [
        &["status"][..],
        &["status", "--all-services"],
        &["lock", "status"],
    ] {
        let (code, document) = app.central_json(command);
        assert_eq!(
            (code, &document["error"]["kind"]),
            (5, &json!("store")),
            "{document}"
        );
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.contains("has no audit"), "{message}");
    }
    assert_eq!(app.run(&["apply"]).code, 0);
    let typo = app.central(&["--service", "odrers", "status"]);
    assert_eq!(typo.code, 2, "{typo:?}");
    assert!(
        typo.stderr
            .contains("no service \"odrers\": name one of these with --service: orders"),
        "{typo:?}"
    );
    let prefixed = app.central(&["--prefix", "other_", "status", "--json"]);
    assert_eq!(kind(prefixed), (5, json!("store")));
    let hostile = app.central(&["--prefix", "x-", "status", "--json"]);
    assert_eq!(kind(hostile), (2, json!("invalid")));
    // SQLite's rows of the lock contain the time.
    let creates = |ran: Ran| ran.stdout.split("INSERT").next().unwrap().to_owned();
    let schema = creates(app.central(&["schema"]));
    assert_eq!(schema, creates(app.run(&["schema"])));
    assert!(schema.contains("flamingock_audit"), "{schema}");
}

#[test]
fn missing_database_file_exits_with_5_and_is_not_created() {
    let app = App::on_a_file();
    for url in ["sqlite:nothing.db", "sqlite://nothing.db?mode=rwc"] {
        let (code, document) = app.central_json(&["--database-url", url, "status"]);
        assert_eq!((code, &document["error"]["kind"]), (5, &json!("store")));
        let message = document["error"]["message"].as_str().unwrap();
        assert_eq!(message, "there is no database file nothing.db");
    }
    assert_eq!(fs::read_dir(app.folder()).unwrap().count(), 0);
    assert_eq!(app.central(&["schema"]).code, 0);
    for url in ["oracle://x", "nonsense", "sqlite::memory:", ""] {
        let ran = app.central(&["--database-url", url, "status"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{url}: {ran:?}");
    }
    let script = app.central(&["completions", "bash"]).stdout;
    assert!(script.contains("--database-url"), "{script}");
}

#[test]
fn password_is_never_shown() {
    let app = App::on_a_file();
    let url = "postgres://ada:sesame@127.0.0.1:1/nothing";
    let option = format!("--database-url={url}");
    for (arguments, code) in [
        (&["--database-url", url, "status"][..], 5),
        (&[&option, "lock", "release", "--reason", "x"], 5),
        (&["status", url], 2),
        (&[url], 2),
        (&["--database-ur", url, "status"], 2),
        (
            &[
                "--database-url",
                "postgres://ada:sesame@127.0.0.1:99999/x",
                "status",
            ],
            2,
        ),
        (
            &[
                "--database-url",
                "mysql://ada:sesame@127.0.0.1:1/x",
                "status",
            ],
            5,
        ),
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = app.central(&[arguments, json].concat());
            assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains("sesame"), "{said}");
        }
    }
}

#[change(id = "one", order = "0001", register = false)]
async fn one() {}

#[tokio::test]
async fn tables_with_another_name_are_found() {
    let (file, server) = (Sqlite::fresh().await, Postgres::fresh().await);
    let tables = |schema: Option<&str>, prefix: Option<&str>| {
        let mut tables = TableNames::default();
        tables.schema = schema.map(str::to_owned);
        tables.prefix = prefix.map(str::to_owned);
        tables
    };
    let pool: SqlitePool = file.pool(1).await;
    let prefixed = tables(None, Some("ops_"));
    let runner = Runner::new(&pool).service("orders").changes(changes![one]);
    runner.tables(prefixed).run().await.unwrap();
    let app = App::on(&file.url);
    assert_eq!(statuses(&app, &["--prefix", "ops_"]), ["applied"]);

    let pool: PgPool = server.pool(1).await;
    let elsewhere = tables(Some("ops"), None);
    let runner = Runner::new(&pool).service("orders").changes(changes![one]);
    runner.tables(elsewhere).run().await.unwrap();
    let app = App::on(&server.url);
    assert_eq!(statuses(&app, &["--schema", "ops"]), ["applied"]);
    let wrong = app.central(&["status", "--schema", "nowhere"]);
    assert_eq!(wrong.code, 5, "{wrong:?}");
}
