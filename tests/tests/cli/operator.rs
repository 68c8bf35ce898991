//! Who asked for what the audit has, and tables of another format.

use std::process::Command;

use crate::app::App;

/// What the operating system calls the user of these tests.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The operators on record, oldest entry first.
fn operators(app: &App) -> Vec<String> {
    let (_, document) = app.json(&["audit", "list", "--history"]);
    let entries = document["entries"].as_array().unwrap();
    let operators = entries.iter().map(|entry| entry["operator"].as_str());
    operators
        .map(|name| name.unwrap_or("none").to_owned())
        .collect()
}

#[test]
fn commands_record_who_asks_for_them() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let by_user = operators(&app);
    assert!(!by_user.is_empty());
    assert!(by_user.iter().all(|name| *name == user()), "{by_user:?}");

    let show = ["issue", "show", "orders-topic", "--guidance"];
    let guidance = app.run(&show).stdout;
    assert!(
        guidance.contains(&format!(", operator {}", user())),
        "{guidance}"
    );

    let resolve = [
        "issue",
        "resolve",
        "orders-topic",
        "--rolled-back",
        "--reason",
        "no topic",
        "--by",
        "Zoë",
    ];
    assert_eq!(app.run(&resolve).code, 0);
    assert_eq!(app.run(&["apply", "--by", "ben"]).code, 0);
    assert_eq!(app.run(&["undo", "--last", "--by=eve"]).code, 0);
    let mut names: Vec<String> = operators(&app);
    names.dedup();
    assert_eq!(names, [&user(), "Zoë", "ben", "eve"]);

    let wide = app.run(&["audit", "list", "--history", "--wide"]).stdout;
    let header = wide.lines().next().unwrap();
    assert!(
        header.contains("ORIGIN") && header.contains("OPERATOR"),
        "{wide}"
    );
    assert!(wide.contains("Zoë"), "{wide}");
    assert!(
        !app.run(&["audit", "list", "--history"])
            .stdout
            .contains("Zoë")
    );
    let extended = app.run(&["audit", "list", "--extended"]).stdout;
    assert!(extended.contains("operator          eve"), "{extended}");
}

#[test]
fn stand_alone_program_records_who_asks_for_it() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let resolve = [
        "issue",
        "resolve",
        "orders-topic",
        "--applied",
        "--reason",
        "seen",
    ];
    assert_eq!(app.central(&resolve).code, 0);
    assert_eq!(operators(&app).last(), Some(&user()));
}

#[test]
fn name_that_is_none_is_refused() {
    let app = App::on_a_file();
    for name in ["", " ", "a\nb", "a\u{1b}[2K"] {
        let ran = app.run(&["apply", "--by", name]);
        assert!(ran.code != 0, "{name:?}");
        assert!(ran.stderr.contains("operator"), "{name:?}: {}", ran.stderr);
    }
    // The database may have been opened, and has no tables.
    assert!(app.run(&["audit", "list"]).stdout.contains("no entries"));
}

const DOWNGRADE: &str = "
ALTER TABLE flamingock_audit RENAME COLUMN fencing_token TO fence;
ALTER TABLE flamingock_audit DROP COLUMN operator;
ALTER TABLE flamingock_audit DROP COLUMN idempotency_key;
ALTER TABLE flamingock_lock RENAME COLUMN fencing_token TO token;
ALTER TABLE flamingock_lock DROP COLUMN format_version;
DROP TABLE flamingock_progress;";

#[test]
fn tables_of_an_older_format_are_upgraded_by_what_the_command_prints() {
    let app = App::on_a_file();
    let nothing = "-- nothing to do: the tables have the current format, or are not there\n";
    assert_eq!(app.run(&["schema", "--upgrade"]).stdout, nothing);
    assert_eq!(app.run(&["apply"]).code, 0);
    assert_eq!(app.run(&["schema", "--upgrade"]).stdout, nothing);
    assert_eq!(app.central(&["schema", "--upgrade"]).stdout, nothing);

    assert_eq!(
        app.shell(&format!("sqlite3 operations.db '{DOWNGRADE}'"))
            .code,
        0
    );
    for refused in [
        app.run(&["status"]),
        app.run(&["apply"]),
        app.central(&["status"]),
    ] {
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("an older format"),
            "{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("schema --upgrade"),
            "{}",
            refused.stderr
        );
    }
    let (_, document) = app.json(&["schema", "--upgrade"]);
    let own = app.run(&["schema", "--upgrade"]).stdout;
    assert_eq!(document["upgrade"], own);
    assert_eq!(app.central(&["schema", "--upgrade"]).stdout, own);
    let upgraded = app.shell("operations schema --upgrade | sqlite3 -bail operations.db");
    assert_eq!((upgraded.code, upgraded.stderr.as_str()), (0, ""));
    assert_eq!(app.run(&["schema", "--upgrade"]).stdout, nothing);
    assert_eq!(app.run(&["check"]).code, 0);
}
