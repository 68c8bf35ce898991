//! The command `new`: the files of a change, which fails until it is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use flamingock_tests::{Backend, cargo, scenarios};
use serde_json::json;

use crate::app::{App, Ran, program_named};

scenarios!(sqlite, postgres, mariadb; order_and_connection_are_those_of_the_program);

/// The folder of a package without any change.
fn package(app: &App) {
    fs::write(app.folder().join("Cargo.toml"), "[package]\n").unwrap();
}

fn read(app: &App, file: &str) -> String {
    fs::read_to_string(app.folder().join(file)).unwrap()
}

async fn order_and_connection_are_those_of_the_program<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    package(&app);
    app.text(&["manifest", "--write", "changes.lock"]);
    let (code, document) = app.json(&["new", "add customers"]);
    assert_eq!(code, 0, "{document}");
    let module = "_0004_add_customers";
    let expected = json!({
        "new": {
            "id": "add-customers",
            "order": "0004",
            "stage": "default",
            "target": null,
            "created": [format!("src/changes/{module}.rs"), "src/changes/mod.rs"],
            "edited": ["changes.lock"],
        }
    });
    assert_eq!(document, expected);
    let code = read(&app, &format!("src/changes/{module}.rs"));
    let connection = match B::NAME {
        "SQLite" => "SqliteConnection",
        "PostgreSQL" => "PgConnection",
        _ => "MySqlConnection",
    };
    for part in [
        "/// Add customers.\n#[change(id = \"add-customers\", order = \"0004\")]\n",
        &format!("async fn add_customers(db: &mut {connection}) -> Result<(), sqlx::Error> {{"),
        &format!("async fn undo_add_customers(db: &mut {connection})"),
    ] {
        assert!(code.contains(part), "{part} in {code}");
    }
    assert_eq!(read(&app, "src/changes/mod.rs"), format!("mod {module};\n"));
    let manifest = read(&app, "changes.lock");
    let last = "default 0004 \"add-customers\" target=default transaction v1:new\n";
    assert!(manifest.ends_with(last), "{manifest}");
    assert_eq!(app.run(&["manifest", "--check"]).code, 2);

    // The next one follows a change that is not compiled yet.
    let second = app.run(&["new", "fill customers", "--target", "events"]);
    assert_eq!(second.code, 0, "{second:?}");
    let code = read(&app, "src/changes/_0005_fill_customers.rs");
    assert!(
        code.contains("async fn fill_customers(cx: &Context)"),
        "{code}"
    );
    assert!(code.contains("target = \"events\""), "{code}");
    let modules = read(&app, "src/changes/mod.rs");
    assert_eq!(
        modules,
        format!("mod {module};\nmod _0005_fill_customers;\n")
    );
    let third = app.run(&["new", "orders view", "--sql", "--stage", "views"]);
    assert_eq!(third.code, 0, "{third:?}");
    let sql = read(&app, "changes/0001__orders_view.sql");
    assert!(
        sql.starts_with("-- flamingock: stage=views\n-- Orders view.\n"),
        "{sql}"
    );
    let manifest = read(&app, "changes.lock");
    let last = "views 0001 \"orders_view\" target=default transaction v1:new\n";
    assert!(manifest.ends_with(last), "{manifest}");
}

#[test]
fn nothing_is_overwritten() {
    let app = App::on_a_file();
    package(&app);
    let new = ["new", "create-orders"];
    let known = app.run(&new);
    assert_eq!((known.code, known.stdout.as_str()), (2, ""), "{known:?}");
    assert!(
        known.stderr.contains("main.rs:"),
        "it names the place: {known:?}"
    );

    let sql = ["new", "orders view", "--sql", "--order", "0007"];
    assert_eq!(app.run(&sql).code, 0);
    let written = "CREATE VIEW orders_view AS SELECT 1;\n";
    let file = app.folder().join("changes/0007__orders_view.sql");
    fs::write(&file, written).unwrap();
    for arguments in [
        &sql[..],
        &["new", "orders view", "--sql"],
        &["new", "Orders  View!", "--sql"],
        &["new", "other view", "--sql", "--order", "007"],
        &["new", "first order", "--order", "0003"],
    ] {
        let refused = app.run(arguments);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (2, ""),
            "{refused:?}"
        );
        let (code, document) = app.json(arguments);
        assert_eq!((code, &document["error"]["kind"]), (2, &json!("usage")));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    assert_eq!(
        fs::read_dir(app.folder().join("changes")).unwrap().count(),
        2
    );

    // A file in the place of the rollback: the other file is not left behind.
    let rollback = app.folder().join("changes/0008__next.rollback.sql");
    fs::write(&rollback, "SELECT 1;\n").unwrap();
    let refused = app.run(&["new", "next", "--sql"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(!app.folder().join("changes/0008__next.sql").exists());
    assert_eq!(fs::read_to_string(&rollback).unwrap(), "SELECT 1;\n");
}

#[test]
fn wrong_places_and_titles_are_refused() {
    let app = App::on_a_file();
    let nowhere = app.run(&["new", "customers"]);
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
    assert!(nowhere.stderr.contains("no Cargo.toml"), "{nowhere:?}");
    package(&app);
    let other = app.folder().join("migrations");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("0001_create.up.sql"), "SELECT 1;").unwrap();
    for (arguments, part) in [
        (
            &["new", "x", "--sql", "--dir", "migrations"][..],
            "the names of sqlx",
        ),
        (&["new", "\u{1f9a9}"], "no letter or digit"),
        (&["new", "x\u{1b}[31m"], "control character"),
        (&["new", "x", "--order", "1"], "too short"),
        (&["new", "x", "--stage", "a\"b"], "the manifest keeps"),
        (&["new", "x", "--sql", "--stage", "a,b"], "without comma"),
        (
            &["new", "x", "--manifest", "nowhere"],
            "could not read nowhere",
        ),
    ] {
        let refused = app.run(arguments);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (2, ""),
            "{refused:?}"
        );
        assert!(refused.stderr.contains(part), "{part} in {refused:?}");
    }
    assert!(!app.folder().join("src").exists());
}

#[test]
fn timestamps_are_continued_by_the_time() {
    let app = App::on_a_file();
    package(&app);
    fs::create_dir(app.folder().join("changes")).unwrap();
    let first = app.folder().join("changes/20260131120000__create.sql");
    fs::write(first, "SELECT 1;").unwrap();
    let ran = app.central(&["new", "next", "--sql"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (code, document) = app.central_json(&["new", "after that"]);
    assert_eq!(code, 0, "{document}");
    let order = document["new"]["order"].as_str().unwrap();
    assert!(order.len() == 14 && order > "20260131120000", "{order}");
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("DATABASE_URL");
    Ran::of(&command.output().unwrap())
}

#[test]
fn created_changes_compile_and_fail_until_they_are_written() {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new_change");
    let folder = cargo::copy_of_fixture("new_change", &copy);
    let flamingock = program_named("flamingock");
    let place = ["--database-url", "sqlite:app.db"];
    for arguments in [
        &["new", "create orders"][..],
        &["new", "fill orders", "--sql"],
    ] {
        let ran = run(flamingock, &folder, &[arguments, &place].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let build = || cargo::build(&folder.join("Cargo.toml"), &[])["new-change"].clone();
    let program = build();
    let failed = run(&program, &folder, &["apply"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("not yet implemented"), "{failed:?}");

    let code = folder.join("src/changes/_0001_create_orders.rs");
    let text = fs::read_to_string(&code).unwrap();
    let statement = |sql: &str| format!("sqlx::query({sql:?}).execute(db).await.map(|_| ())");
    let text = text
        .replace(
            "todo!(\"write the change\")",
            &statement("CREATE TABLE orders (id INT)"),
        )
        .replace(
            "todo!(\"reverse the change, or delete this function\")",
            &statement("DROP TABLE orders"),
        );
    fs::write(&code, text).unwrap();
    let program = build();
    let failed = run(&program, &folder, &["apply"]);
    assert_eq!(failed.code, 1, "the file is not written yet: {failed:?}");
    assert!(
        failed.stderr.contains("0002__fill_orders.sql"),
        "{failed:?}"
    );
    let sql = folder.join("changes/0002__fill_orders.sql");
    fs::write(sql, "INSERT INTO orders VALUES (1);\n").unwrap();
    let rollback = folder.join("changes/0002__fill_orders.rollback.sql");
    fs::write(rollback, "DELETE FROM orders;\n").unwrap();
    let program = build();
    let planned = run(&program, &folder, &["plan", "--sql"]);
    let sql = "-- fill_orders: changes/0002__fill_orders.sql:1\nINSERT INTO orders VALUES (1);\n";
    assert!(planned.stdout.ends_with(sql), "{planned:?}");
    let applied = run(&program, &folder, &["apply"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(run(&program, &folder, &["undo", "--count", "2"]).code, 0);
}
