//! The texts of errors: the headline, and the message of the full text.

use crate::audit::snapshot::LockStatus;
use crate::audit::store_error::StoreError;
use crate::change::problem::Problem;
use crate::report::run::{ChangeReport, Outcome, Report};
use crate::util::plural::plural;
use crate::util::visible::Visible;

/// The maximum number of changes that a headline names.
const NAMED: usize = 3;

pub(super) const CANCELLED: &str =
    "the run was asked to stop before its end; what did not run is still pending";

/// Returns the headline with the first problem, and the message with all of them.
pub(super) fn invalid(problems: &[Problem]) -> (String, String) {
    let begins = format!("{} before anything ran", plural(problems.len(), "problem"));
    let mut headline = begins.clone();
    let mut message = format!("{begins}:");
    for (index, problem) in problems.iter().enumerate() {
        let problem = problem.to_string();
        if index == 0 {
            let line = problem.lines().next().unwrap_or_default();
            headline = format!("{headline}: {line}");
        }
        message = format!("{message}\n  {problem}");
    }
    if problems.len() > 1 {
        headline = format!("{headline}; and {} more", problems.len() - 1);
    }
    (headline, message)
}

/// Returns the headline, with the cause if only one change failed, and the message.
pub(super) fn changes_failed(report: &Report) -> (String, String) {
    let failed: Vec<&ChangeReport> = report
        .changes()
        .filter(|change| change.has_failed())
        .collect();
    let message = format!("{} failed", names(&failed));
    let cause = match failed.as_slice() {
        [change] => change.error.as_ref(),
        _ => None,
    };
    let cause = cause.and_then(|chain| chain.causes().first());
    let headline = match cause.and_then(|text| text.lines().next()) {
        Some(line) => format!("{message}: {}", Visible(line)),
        None => message.clone(),
    };
    (headline, message)
}

pub(super) fn issues(report: &Report) -> String {
    let issues: Vec<&ChangeReport> = report
        .changes()
        .filter(|change| change.issue.is_some())
        .collect();
    format!("manual resolution is needed for {}", names(&issues))
}

const IN_BACKGROUND: &str = ".\n`apply --background` applies the changes in the background, and so does an application with `Runner::spawn`. Run again then";

/// Returns the headline with the first change that waits for one in the background, and the message
/// with all of them.
pub(super) fn waiting(report: &Report) -> (String, String) {
    let waiting: Vec<String> = report
        .changes()
        .filter(|change| change.issue.is_none())
        .filter_map(|change| {
            let error = change.error.as_ref()?;
            Some(format!("{:?} did not run: {error}", change.id))
        })
        .collect();
    let first = waiting.first().cloned().unwrap_or_default();
    let mut message = waiting.join("\n");
    if report.counts().pending > 0 {
        message.push_str(IN_BACKGROUND);
    }
    (first, message)
}

/// Returns the headline and the message of a run in the background that had to leave changes.
pub(super) fn left(report: &Report) -> (String, String) {
    let is_left = |change: &&ChangeReport| {
        !change.outcome.is_applied() && change.outcome != Outcome::Filtered
    };
    let left: Vec<&ChangeReport> = report.changes().filter(is_left).collect();
    let headline = format!("{} could not be run yet", names(&left));
    let message = format!("{headline}: a change before them is not applied");
    (headline, message)
}

pub(super) fn pending(report: &Report) -> (String, String) {
    let counts = report.counts();
    let pending = counts.not_reached;
    let are = if pending == 1 { "is" } else { "are" };
    let message = format!("{} {are} pending", plural(pending, "change"));
    let headline = format!("{message}: the mode is check only, and nothing ran");
    (headline, message)
}

pub(super) fn lock_timeout(owner: Option<&LockStatus>, report: &Report) -> (String, String) {
    let begins = format!(
        "the lock of the service {:?} was not acquired in time",
        report.service
    );
    match owner {
        Some(owner) => (
            format!("{begins}: it is held by {owner}"),
            format!(
                "{begins}: it is held by {owner}. If that process is gone, the lock is free when its lease ends: run again then"
            ),
        ),
        None => {
            let text = format!("{begins}: other processes acquired it first each time. Run again");
            (text.clone(), text)
        }
    }
}

pub(super) fn lease_lost(reason: &str, report: &Report) -> (String, String) {
    let headline = format!("the lease was lost: {}", Visible(reason));
    let message = format!(
        "{headline}.\nNothing was recorded after that, and another run may continue. Run again{}",
        failed_for_certain(report)
    );
    (headline, message)
}

pub(super) fn in_doubt(report: &Report) -> (String, String) {
    let doubtful: Vec<&ChangeReport> = report.changes().filter(|change| change.in_doubt).collect();
    let headline = format!(
        "the outcome of {} could not be confirmed or recorded",
        names(&doubtful)
    );
    let message = format!(
        "{headline}.\nRun again when the database is reachable: the run finds out, or reports an issue{}",
        failed_for_certain(report)
    );
    (headline, message)
}

pub(super) fn store(source: &StoreError) -> (String, String) {
    let message = source.to_string();
    let line = message.lines().next().unwrap_or_default();
    (Visible(line).to_string(), message)
}

/// Names the changes that failed in a run that ended for another reason.
fn failed_for_certain(report: &Report) -> String {
    let failed: Vec<&ChangeReport> = report
        .changes()
        .filter(|change| change.has_failed() && !change.in_doubt)
        .collect();
    match failed.as_slice() {
        [] => String::new(),
        failed => format!(". {} failed", names(failed)),
    }
}

fn names(changes: &[&ChangeReport]) -> String {
    if changes.is_empty() {
        return "a change".to_owned();
    }
    let named: Vec<String> = changes
        .iter()
        .take(NAMED)
        .map(|change| format!("{:?}", change.id))
        .collect();
    let mut text = named.join(", ");
    if let Some(more) = changes.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text = format!("{text} and {more} more");
    }
    text
}
