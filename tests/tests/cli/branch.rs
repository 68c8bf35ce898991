//! `manifest --check --base`, and the formats for pull requests.

use std::fs;
use std::process::Command;

use flamingock_tests::{Backend, scenarios};
use serde_json::{Value, json};

use crate::app::{App, Ran, texts};

scenarios!(sqlite, postgres, mariadb; pending_changes_and_issues_are_annotated);

/// A repository in the folder of the application, with its manifest committed.
fn repository(app: &App) {
    app.text(&["manifest", "--write", "changes.lock"]);
    git(app, &["init", "-q", "-b", "main"]);
    commit(app, "Add the changes");
}

fn git(app: &App, arguments: &[&str]) -> Ran {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=ada", "-c", "user.email=ada@example.org"]);
    command.args(arguments);
    app.surround(&mut command);
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, 0, "git {arguments:?}: {ran:?}");
    ran
}

fn commit(app: &App, subject: &str) {
    git(app, &["add", "changes.lock"]);
    git(app, &["commit", "-q", "-m", subject]);
}

/// Commits another manifest to `main`, and returns to the branch, which has that of the binary.
fn main_has(app: &App, manifest: impl Fn(&str) -> String) {
    let ours = fs::read_to_string(app.folder().join("changes.lock")).unwrap();
    git(app, &["checkout", "-q", "main"]);
    fs::write(app.folder().join("changes.lock"), manifest(&ours)).unwrap();
    commit(app, "Merge another branch");
    git(app, &["checkout", "-q", "branch"]);
}

fn compared(app: &App, base: &str) -> (i32, Value) {
    app.json(&["manifest", "--check", "changes.lock", "--base", base])
}

#[test]
fn branch_that_only_adds_changes_passes() {
    let app = App::on_a_file();
    repository(&app);
    let (code, document) = compared(&app, "main");
    assert_eq!((code, &document["changes"]), (0, &json!([])), "{document}");
    // The base has no manifest yet: everything is added.
    git(&app, &["checkout", "-q", "--orphan", "old"]);
    git(&app, &["rm", "-q", "--cached", "changes.lock"]);
    git(&app, &["commit", "-q", "--allow-empty", "-m", "Begin"]);
    git(&app, &["checkout", "-q", "-b", "branch"]);
    commit(&app, "Add the changes");
    let (code, document) = compared(&app, "old");
    assert_eq!(code, 0, "{document}");
    assert_eq!(texts(&document["changes"], "finding"), ["added"; 3]);
    let text = app.text(&["manifest", "--check", "--base", "old"]);
    assert!(
        text.starts_with("3 changes differ compared with old\n  added: 0001"),
        "{text}"
    );
}

#[test]
fn change_that_comes_before_a_merged_one_is_a_conflict() {
    let app = App::on_a_file();
    repository(&app);
    git(&app, &["checkout", "-q", "-b", "branch"]);
    // Another branch was merged first, and this one adds 0003 "first-order".
    let line = "default 0004 \"refunds\" target=default transaction v1:ab\n";
    main_has(&app, |ours| {
        let rest: Vec<&str> = ours.lines().filter(|line| !line.contains("0003")).collect();
        format!("{}\n{line}", rest.join("\n"))
    });
    let (code, document) = compared(&app, "main");
    assert_eq!(code, 2, "{document}");
    let found = &document["changes"][0];
    assert_eq!(found["finding"], "inserted", "{document}");
    assert_eq!(
        (&found["id"], &found["other"]),
        (&json!("first-order"), &json!("refunds"))
    );
    assert_eq!(
        document["changes"].as_array().unwrap().len(),
        1,
        "{document}"
    );

    let github = app.run(&[
        "manifest", "--check", "--base", "main", "--format", "github",
    ]);
    assert_eq!(github.code, 2, "{github:?}");
    let first = github.stdout.lines().next().unwrap();
    let expected = "::error file=examples/operations/src/main.rs,line=";
    assert!(first.starts_with(expected), "{first}");
    assert!(
        first.contains(",title=inserted::0003 first-order: \"refunds\" is merged"),
        "{first}"
    );
    let markdown = app.run(&[
        "manifest", "--check", "--base", "main", "--format", "markdown",
    ]);
    assert!(
        markdown
            .stdout
            .contains("| default | 0003 | first-order | inserted | ")
    );
}

#[test]
fn edited_and_dropped_changes_are_conflicts() {
    let app = App::on_a_file();
    repository(&app);
    main_has_edit(&app);
    let (code, document) = compared(&app, "main");
    assert_eq!(code, 2, "{document}");
    let changes = &document["changes"];
    assert_eq!(
        texts(changes, "finding"),
        ["edited", "dropped"],
        "{document}"
    );
    assert_eq!(texts(changes, "id"), ["create-orders", "refunds"]);
    assert_eq!(changes[0]["edited"], json!(["content"]));
}

/// The branch leaves a base that has another text of the first change, and one change more.
fn main_has_edit(app: &App) {
    let ours = fs::read_to_string(app.folder().join("changes.lock")).unwrap();
    let line = "default 0004 \"refunds\" target=default transaction v1:ab\n";
    let edited: Vec<String> = ours
        .lines()
        .map(|line| match line.rsplit_once(' ') {
            Some((before, _)) if line.contains("0001") => format!("{before} v1:old"),
            _ => line.to_owned(),
        })
        .collect();
    let merged = format!("{}\n{line}", edited.join("\n"));
    fs::write(app.folder().join("changes.lock"), merged).unwrap();
    commit(app, "Merge the first version");
    git(app, &["checkout", "-q", "-b", "branch"]);
    fs::write(app.folder().join("changes.lock"), ours).unwrap();
    commit(app, "Edit an applied change");
}

#[test]
fn base_that_git_does_not_have_is_refused() {
    let app = App::on_a_file();
    repository(&app);
    for base in ["origin/main", "--output=x", ""] {
        let base = format!("--base={base}");
        let arguments = ["manifest", "--check", "changes.lock", &base];
        let refused = app.run(&arguments);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (2, ""),
            "{refused:?}"
        );
        assert!(
            refused.stderr.contains("git fetch origin main"),
            "{refused:?}"
        );
    }
    assert_eq!(app.run(&["manifest", "--base", "main"]).code, 2);
}

async fn pending_changes_and_issues_are_annotated<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    let plan = app.run(&["plan", "--format", "github"]);
    assert_eq!(plan.code, 10, "{plan:?}");
    let lines: Vec<&str> = plan.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{plan:?}");
    let start = "::notice file=examples/operations/src/main.rs,line=";
    assert!(lines[0].starts_with(start), "{plan:?}");
    assert!(
        lines[0].ends_with(",title=apply::0001 create-orders"),
        "{plan:?}"
    );
    assert_eq!(lines[3], "orders: 3 pending, 0 applied");

    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let check = app.run(&["check", "--format", "github"]);
    assert_eq!(check.code, 3, "{check:?}");
    assert!(check.stdout.contains("::error file="), "{check:?}");
    assert!(
        check.stdout.contains("title=issue::0002 orders-topic: "),
        "{check:?}"
    );
    let markdown = app.run(&["plan", "--format", "markdown"]);
    assert_eq!(markdown.code, 3, "{markdown:?}");
    assert!(
        markdown
            .stdout
            .contains("| default | 0002 | orders-topic | issue | "),
        "{markdown:?}"
    );
    let sql = app.run(&["plan", "--sql"]);
    assert!(
        sql.stdout
            .contains("-- first-order: code at examples/operations/src/main.rs:")
    );
}
