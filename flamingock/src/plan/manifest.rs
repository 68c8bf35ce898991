//! The manifest: a committed file with one line for each change, so that review shows which changes
//! were edited, renamed, reordered or removed.

use std::fmt::Write;

use super::pipeline::Pipeline;
use crate::change::definition::Repeat;
use crate::change::problem::Problem;

const HEADER: &str = "# The changes of this application, one a line. Review every difference: an\n# applied change must not be edited, renamed, reordered or dropped.\n";

/// Writes the manifest of a pipeline.
pub(crate) fn text(pipeline: &Pipeline) -> String {
    let mut text = HEADER.to_owned();
    for change in pipeline.changes() {
        let transaction = if change.body.transaction {
            "transaction"
        } else {
            "no-transaction"
        };
        let repeat = match change.repeat {
            Repeat::Once => "",
            Repeat::OnChange => " repeat=on-change",
        };
        let _ = writeln!(
            text,
            "{} {} {:?} target={} {transaction}{repeat} {}",
            change.stage, change.order, change.id, change.target, change.digest
        );
    }
    text
}

/// Compares a pipeline with the committed manifest.
pub(crate) fn check(pipeline: &Pipeline, committed: &str) -> Result<(), Vec<Problem>> {
    compare(&text(pipeline), committed).map_err(|message| vec![Problem::general(message)])
}

/// Compares two manifests, ignoring line endings, blank lines and comments.
pub(crate) fn compare(now: &str, committed: &str) -> Result<(), String> {
    let (now, committed) = (lines(now), lines(committed));
    if now == committed {
        return Ok(());
    }
    let gone = committed
        .iter()
        .filter(|line| !now.contains(line))
        .map(|line| ("-", line));
    let new = now
        .iter()
        .filter(|line| !committed.contains(line))
        .map(|line| ("+", line));
    let differences: Vec<String> = gone
        .chain(new)
        .map(|(sign, line)| format!("\n  {sign} {line}"))
        .collect();
    let what = if differences.is_empty() {
        "\n  the same changes in another order".to_owned()
    } else {
        differences.concat()
    };
    Err(format!(
        "the changes differ from the manifest (- is the manifest, + is this binary):{what}\nIf that is meant, write the manifest anew: run the test that calls `flamingock::testing::assert_manifest` with FLAMINGOCK_UPDATE_MANIFEST=1, and commit the file"
    ))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}
