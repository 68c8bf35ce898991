//! The text of reports, and a table of all their changes.

use super::table::{Sheet, Tone, lines, plain, stage};
use super::view::View;
use crate::report::run::{ChangeReport, Outcome, Report};
use crate::util::visible::Visible;

/// Returns the text of a report; with `-v` it includes every change.
pub(super) fn to_text(report: &Report, view: &View) -> String {
    let text = report.to_string();
    if !view.verbose {
        return text;
    }
    let summary = text.lines().next().unwrap_or_default();
    let mut sheet = Sheet::new(
        view,
        &[
            "STAGE", "ORDER", "CHANGE", "TARGET", "OUTCOME", "TIME", "NOTE",
        ],
    );
    for part in &report.stages {
        for change in &part.changes {
            let milliseconds = change
                .duration
                .map(|time| format!("{} ms", time.as_millis()));
            sheet.row(vec![
                stage(&part.name),
                plain(change.order),
                plain(&change.id),
                plain(change.target),
                (change.outcome.to_string(), tone(change.outcome)),
                plain(milliseconds.unwrap_or_default()),
                lines(notes(change)),
            ]);
        }
    }
    let mut parts = vec![summary.to_owned(), sheet.text()];
    parts.extend(beside(report));
    parts.join("\n")
}

/// Returns a line for each fact about the run as a whole.
pub(super) fn beside(report: &Report) -> impl Iterator<Item = String> {
    let targets = report
        .described()
        .map(|(name, description)| format!("target {}: {}", Visible(name), Visible(description)));
    let missing = report.missing.iter().map(|missing| {
        format!(
            "applied, but not in this binary: {} {}",
            Visible(&missing.order),
            Visible(&missing.id)
        )
    });
    let warnings = report
        .warnings
        .iter()
        .map(|warning| format!("warning: {}", Visible(warning)));
    targets.chain(missing).chain(warnings)
}

/// Returns the issue, the error and the notes of a change.
pub(super) fn notes(change: &ChangeReport) -> Vec<String> {
    let issue = change.issue.iter().map(ToString::to_string);
    let error = change.error.iter().map(ToString::to_string);
    let notes = change.notes.iter().map(ToString::to_string);
    issue.chain(error).chain(notes).collect()
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::NewlyApplied | Outcome::AlreadyApplied | Outcome::Undone => Tone::Good,
        Outcome::Failed | Outcome::Blocked => Tone::Bad,
        Outcome::RolledBack | Outcome::NotReached | Outcome::Pending | Outcome::Paused => {
            Tone::Waiting
        }
        Outcome::Filtered => Tone::Plain,
    }
}
