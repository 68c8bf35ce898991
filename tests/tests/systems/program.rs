//! The examples, built once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use flamingock_tests::{Page, cargo};

/// Those that need only packages of Debian.
const EXAMPLES: [&str; 9] = [
    "api-gateway",
    "declarative",
    "deployment-dependencies",
    "from-sqlx",
    "message-broker",
    "operational-work",
    "persistent-storage",
    "redis-store",
    "shop",
];

static PROGRAMS: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let arguments: Vec<&str> = EXAMPLES.iter().flat_map(|name| ["-p", name]).collect();
    cargo::build(&cargo::workspace().join("Cargo.toml"), &arguments)
});

/// An example in a folder of its own.
pub(crate) fn page(example: &str) -> Page {
    Page::of(&format!("examples/{example}"), &PROGRAMS[example])
}
