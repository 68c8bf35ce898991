//! In a terminal: output fits its width, and is colored only where that is wanted.

use std::process::Command;

use crate::app::{App, Ran};

/// What the program prints in a terminal of 80 columns.
fn in_a_terminal(app: &App, line: &str, no_color: Option<&str>) -> String {
    let mut script = Command::new("script");
    let line = format!("stty cols 80 rows 24; {line}");
    script.args(["-qec", &line, "/dev/null"]);
    app.surround(&mut script);
    if let Some(value) = no_color {
        script.env("NO_COLOR", value);
    }
    let ran = Ran::of(&script.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.replace('\r', "")
}

/// The visible text, without color sequences.
fn seen(text: &str) -> String {
    let mut seen = String::new();
    for (place, part) in text.split("\u{1b}[").enumerate() {
        seen.push_str(match part.split_once('m') {
            Some((_, rest)) if place > 0 => rest,
            _ => part,
        });
    }
    seen
}

#[test]
fn tables_fit_the_terminal() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    for command in [
        "status",
        "audit list --history",
        "audit list --extended",
        "issue list",
    ] {
        let text = in_a_terminal(&app, &format!("operations {command}"), None);
        assert!(
            text.contains('\u{1b}') || command.ends_with("extended"),
            "{command}: {text}"
        );
        let seen = seen(&text);
        assert!(seen.contains("ROLLBACK_FAILED"), "{command}: {seen}");
        for line in seen.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        let words: Vec<&str> = command.split(' ').collect();
        assert!(!app.run(&words).stdout.contains('\u{1b}'), "{command}");
    }
    let resolved = [
        "issue",
        "resolve",
        "orders-topic",
        "--rolled-back",
        "--reason",
        "gone",
    ];
    assert_eq!(app.run(&resolved).code, 0);
    for command in ["status", "audit list --history"] {
        let seen = seen(&in_a_terminal(&app, &format!("operations {command}"), None));
        let whole = seen
            .lines()
            .find(|line| line.contains("MANUAL_MARKED_AS_ROLLED_BACK"));
        assert!(
            whole.is_some_and(|line| line.contains("Z")),
            "{command}: {seen}"
        );
    }
}

#[test]
fn rows_are_single_lines_without_a_terminal() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let wide = app.run(&["issue", "list"]).stdout;
    assert_eq!(wide.lines().count(), 2, "{wide}");
}

#[test]
fn colors_can_be_disabled() {
    let app = App::on_a_file();
    for (line, no_color) in [
        ("operations status --color=never", None),
        ("operations --color=never status", None),
        ("operations status", Some("1")),
        ("operations --color=never undo 2>&1 || true", None),
        ("operations --help --color=never", None),
    ] {
        let text = in_a_terminal(&app, line, no_color);
        assert!(!text.contains('\u{1b}'), "{line}: {text:?}");
    }
    assert!(in_a_terminal(&app, "operations status", Some("")).contains('\u{1b}'));
}

#[test]
fn colors_can_be_forced() {
    let app = App::on_a_file();
    assert_eq!(app.run(&["apply"]).code, 0);
    for arguments in [&["status", "--color=always"], &["--color=always", "status"]] {
        let ran = app.run_with("NO_COLOR", "1", arguments);
        assert!(ran.stdout.contains('\u{1b}'), "{arguments:?}: {ran:?}");
    }
    let plain = app.run(&["status", "--color=auto"]).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}
