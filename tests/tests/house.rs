//! What the manifests promise.

#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::process::Command;

use serde_json::Value;

fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

/// Everything that `flamingock` needs with all its features, itself included.
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
fn rust_version_is_the_newest_that_a_dependency_needs() {
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
    let (newest, of) = packages
        .iter()
        .filter(|package| !package["name"].as_str().unwrap().starts_with("flamingock"))
        .filter_map(|package| Some((version(package["rust_version"].as_str()?), &package["name"])))
        .max_by(|left, right| left.0.cmp(&right.0))
        .unwrap();
    assert_eq!(stated, newest, "{of} decides");
}
