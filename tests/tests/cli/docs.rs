//! `operations.md`, `json.md` and `roll-back-a-release.md` show the output of the program.

use std::fs;

use flamingock_tests::{Page, cargo};
use serde_json::Value;

use crate::app::{App, normalise, program};

/// The keys of a document, at every depth; of the values, only whether there are any.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
        // The page may omit repetitive parts.
        Value::Array(values) => values.iter().take(1).map(shape).collect(),
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) | Value::String(_) => Value::from("<one>"),
    }
}

#[test]
fn page_shows_the_output_of_the_program() {
    // The second page continues the first one.
    let pages = ["operations.md", "json.md"].map(|page| {
        let path = cargo::workspace().join("flamingock/docs").join(page);
        fs::read_to_string(path).unwrap()
    });
    let page = pages.join("\n");
    let app = App::on_a_file();
    let mut printed = String::new();
    let mut compared = 0;
    for block in page.split("\n```").filter(|block| !block.trim().is_empty()) {
        if let Some(console) = block.strip_prefix("console\n$ ") {
            let (command, expected) = console.split_once('\n').unwrap_or((console, ""));
            if !command.contains("operations ") {
                continue;
            }
            printed = app.shell(&format!("{{ {command}; }} 2>&1")).stdout;
            if !expected.is_empty() {
                assert_eq!(normalise(&printed), normalise(expected), "{command}");
                compared += 1;
            }
        } else if let Some(json) = block.strip_prefix("json\n") {
            let expected: Value = serde_json::from_str(json).unwrap();
            let actual: Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(shape(&actual), shape(&expected), "{json}");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn page_on_rolling_back_a_release_shows_the_output_of_the_program() {
    let page = Page::document("roll-back-a-release", program(), "operations");
    let applied = page.shell("operations apply");
    assert_eq!(applied.code, Some(0), "{applied:?}");
    page.check();
}
