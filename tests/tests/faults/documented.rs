//! Every documented guarantee has a test, and every fault test is documented.

use std::path::Path;
use std::process::Command;

/// The test names in the page; `..` stands for the name of a database.
fn names_in(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let names = quoted.filter(|name| name.matches('_').count() > 2);
    names
        .map(|name| name.rsplit("::").next().unwrap().trim_start_matches(".."))
        .collect()
}

/// The functions of a folder's Rust files.
fn functions_in(folder: &Path, functions: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions_in(&path, functions);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = |line: &str| {
                Some(
                    line.split_once("fn ")?
                        .1
                        .split(['(', '<'])
                        .next()?
                        .to_owned(),
                )
            };
            functions.extend(text.lines().filter_map(name));
        }
    }
}

#[test]
fn guarantees_page_names_each_test_and_no_other() {
    let page = include_str!("../../../flamingock/docs/guarantees.md");
    let names = names_in(page);
    let own = std::env::current_exe().unwrap();
    let listed = Command::new(own)
        .args(["--list", "--format=terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    // Other test programs prove some rows.
    let mut functions = Vec::new();
    for folder in [
        "tests",
        "scenarios",
        "time",
        "../flamingock/src",
        "../flamingock-sqlx-audit/src",
    ] {
        functions_in(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut functions,
        );
    }
    for name in &names {
        assert!(
            tests.iter().any(|test| test.ends_with(name))
                || functions.iter().any(|function| function.ends_with(name)),
            "no test {name}"
        );
    }
    // These are about the tests themselves.
    let is_own = |test: &str| test.starts_with("documented::") || test.starts_with("ground::");
    for test in tests.iter().filter(|test| !is_own(test)) {
        assert!(
            names.iter().any(|name| test.ends_with(name)),
            "{test} is not in the page"
        );
    }
}
