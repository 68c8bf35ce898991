//! The rules of the repository: its manifests, its layers, its words and its pages.

#![allow(clippy::unwrap_used)]

mod imports;
mod pages;
mod words;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::process::Command;

use serde_json::Value;

fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

/// All packages that `flamingock` needs with all its features, including itself.
fn packages(metadata: &Value) -> Vec<&Value> {
    let all = metadata["packages"].as_array().unwrap();
    let by_id: HashMap<&str, &Value> = all
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package))
        .collect();
    let nodes: HashMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let root = all
        .iter()
        .find(|package| package["name"] == "flamingock")
        .unwrap();
    let mut seen = HashSet::new();
    let mut waiting = vec![root["id"].as_str().unwrap()];
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            let needed = nodes[id]["deps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| {
                    let kinds = dependency["dep_kinds"].as_array().unwrap();
                    kinds.iter().any(|kind| kind["kind"] != "dev")
                });
            waiting.extend(needed.map(|dependency| dependency["pkg"].as_str().unwrap()));
        }
    }
    seen.into_iter().map(|id| by_id[id]).collect()
}

#[test]
fn rust_version_is_the_latest_that_a_dependency_needs() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = packages(&metadata);
    let own = packages
        .iter()
        .find(|package| package["name"] == "flamingock")
        .unwrap();
    let stated = version(own["rust_version"].as_str().unwrap());
    let (latest, of) = packages
        .iter()
        .filter(|package| !package["name"].as_str().unwrap().starts_with("flamingock"))
        .filter_map(|package| Some((version(package["rust_version"].as_str()?), &package["name"])))
        .max_by(|left, right| left.0.cmp(&right.0))
        .unwrap();
    assert_eq!(stated, latest, "{of} decides");
}

/// The dependencies of a build with these features, without the packages of this repository.
fn crates(features: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "flamingock",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu", "-f", "{p}"])
        .args(["--features", features])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && !name.starts_with("flamingock"));
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    names.into_iter().collect()
}

#[test]
fn page_lists_the_dependencies_of_the_default_build() {
    let page = include_str!("../../../flamingock/docs/performance.md");
    let (_, rest) = page.split_once("```text\n").unwrap();
    let (listed, _) = rest.split_once("```").unwrap();
    let listed: Vec<&str> = listed.split_whitespace().collect();
    let crates = crates("");
    assert_eq!(crates, listed, "write this: {}", crates.join(" "));
    assert!(!crates.iter().any(|name| name.starts_with("sqlx")));
}

/// Neither of the two crates can import it from the other.
#[test]
fn names_are_visible_by_the_same_rule_for_attributes_and_for_files() {
    let function = |file: &str| -> String {
        let (_, behind) = file.split_once("pub(crate) fn is_invisible").unwrap();
        let (function, _) = behind.split_once("\n}\n").unwrap();
        function.to_owned()
    };
    let of_engine = function(include_str!("../../../flamingock/src/util/visible.rs"));
    let of_attributes = function(include_str!("../../../flamingock-macros/src/names.rs"));
    assert_eq!(of_engine, of_attributes);
    assert!(of_engine.contains("is_control"));
    let longest = "const LONGEST_NAME: usize = 190;";
    assert!(include_str!("../../../flamingock/src/change/names.rs").contains(longest));
    assert!(include_str!("../../../flamingock-macros/src/names.rs").contains(longest));
}

/// Neither of the two crates can import them from the other.
/// Appends every Rust file below a folder.
fn sources(folder: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_row_of_the_formats_page_names_existing_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = String::new();
    for folder in [
        "flamingock/src",
        "flamingock-macros/src",
        "tests/scenarios",
        "tests/tests",
    ] {
        sources(&root.join(folder), &mut text);
    }
    let page = include_str!("../../../flamingock/docs/formats.md");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows
        .filter(|line| !line.starts_with("| feature |"))
        .collect();
    assert!(rows.len() > 40);
    for row in rows {
        let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(text.contains(&format!("fn {name}()")), "{name} of {row}");
        }
    }
}
