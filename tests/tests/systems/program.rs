//! The examples, built once.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use flamingock_tests::{Driver, Page, Proxy, cargo};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// Those that need nothing but packages of Debian.
const EXAMPLES: [&str; 6] = [
    "api-gateway",
    "deployment-dependencies",
    "message-broker",
    "operational-work",
    "persistent-storage",
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

/// Applies until the proxy keeps an answer back, kills the program there, and releases its lock: nobody but us
/// knows that it is dead, and the next start would wait for the end of its lease.
///
/// The program finds the proxy in `variable`.
pub(crate) async fn kill_while_held(
    page: &Page,
    program: &str,
    variable: &str,
    behind: &str,
    proxy: &Proxy,
) -> io::Result<()> {
    let mut command = page.command(&format!("exec {program} apply"));
    command.env(variable, behind);
    let mut dying = Driver::spawn(command.into())?;
    tokio::time::timeout(SOON, proxy.held()).await?;
    dying.kill()?;
    dying.finish(SOON).await?;
    let released = page.shell(&format!("{program} lock release --reason 'it was killed'"));
    assert_eq!(released.code, Some(0), "{released:?}");
    Ok(())
}

/// What is on record of a change, in its order.
pub(crate) fn states(page: &Page, program: &str, change: &str) -> Vec<String> {
    let list = format!("{program} audit list --history --change {change} --json");
    let listed = page.shell(&list);
    let entries: Value = serde_json::from_str(&listed.text).unwrap();
    let entries = entries["entries"].as_array().unwrap();
    let state = |entry: &Value| entry["state"].as_str().unwrap().to_owned();
    entries.iter().map(state).collect()
}
