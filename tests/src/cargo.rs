//! Programs that a test builds and runs: the examples, and the fixtures in `tests/fixtures`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds with the cargo that runs the test, into the target folder that the test itself is in, and says
/// where each program is.
///
/// # Panics
///
/// When the build fails, with what cargo says.
#[must_use]
pub fn build(manifest: &Path, arguments: &[&str]) -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--message-format=json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_folder())
        .args(arguments)
        // What cargo tells a test about the test's own package is nothing to another package.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH")
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "cargo build {arguments:?} of {}:\n{}",
        manifest.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().filter_map(program).collect()
}

/// The program that a message of cargo announces, if it is about one.
fn program(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let executable = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), PathBuf::from(executable)))
}

/// The target folder of the build that is running: tests are in `<target>/<profile>/deps`.
///
/// # Panics
///
/// When the running program is not where cargo puts tests.
#[must_use]
pub fn target_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test
        .ancestors()
        .nth(3)
        .expect("a test is in <target>/<profile>/deps");
    folder.to_owned()
}

/// The folder of the main workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
