//! What is documented is proved, and what is proved is documented.

use std::process::Command;

/// The names in the page that are those of tests: `..` stands for the name of a database.
fn names_in(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let names = quoted.filter(|name| name.matches('_').count() > 2);
    names
        .map(|name| name.rsplit("::").next().unwrap().trim_start_matches(".."))
        .collect()
}

/// Whether another test program has it: in `tests/scenarios`, on every database, or in `tests/tests/history`.
fn is_scenario(name: &str) -> bool {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let function = format!("async fn {name}(");
    ["scenarios", "tests/history"].iter().any(|inside| {
        let files = std::fs::read_dir(folder.join(inside)).unwrap();
        let mut texts = files.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok());
        texts.any(|text| text.contains(&function))
    })
}

#[test]
fn page_of_guarantees_names_each_test_and_no_other() {
    let page = include_str!("../../../docs/guarantees.md");
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
    for name in &names {
        assert!(
            tests.iter().any(|test| test.ends_with(name)) || is_scenario(name),
            "no test {name}"
        );
    }
    for test in tests.iter().filter(|test| !test.contains("::documented::")) {
        assert!(
            names.iter().any(|name| test.ends_with(name)),
            "{test} is not in the page"
        );
    }
}
