//! The examples, each with its own crates.

use flamingock_tests::{Page, cargo};

/// An example in a folder of its own.
pub(crate) fn page(example: &str) -> Page {
    let folder = format!("examples/{example}");
    let manifest = cargo::workspace().join(&folder).join("Cargo.toml");
    let programs = cargo::build(&manifest, &[]);
    Page::of(&folder, &programs[example])
}
