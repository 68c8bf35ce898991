//! The command `plan`: shows what `apply` would do.

use serde_json::json;

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::report::{beside, notes};
use super::table::{Sheet, Tone, lines, plain, stage};
use super::view::View;
use crate::plan::note::Note;
use crate::report::run::{ChangeReport, Outcome, Report};
use crate::runner::builder::Runner;
use crate::util::visible::Visible;

pub(super) async fn plan(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let report = runner
        .plan()
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let intended =
        |wanted: fn(Intended) -> bool| report.changes().any(|change| wanted(Intended::of(change)));
    let exit = if intended(|one| one == Intended::Person) {
        Exit::Person
    } else if intended(Intended::is_pending) {
        Exit::Pending
    } else {
        Exit::Done
    };
    let running: Vec<&str> = report
        .changes()
        .filter(|change| Intended::of(change) == Intended::Running)
        .map(|change| change.id.as_str())
        .collect();
    let document = json!({ "report": report, "running": running });
    Ok(Answer::data(document, text(&report, view)).ending(exit))
}

/// What `apply` would do with a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intended {
    Skip,
    Apply,
    Again,
    Running,
    Person,
    Blocked,
    Filtered,
}

impl Intended {
    fn of(change: &ChangeReport) -> Intended {
        match change.outcome {
            _ if change.notes.contains(&Note::Running) => Intended::Running,
            Outcome::AlreadyApplied | Outcome::NewlyApplied => Intended::Skip,
            Outcome::Filtered => Intended::Filtered,
            Outcome::Blocked | Outcome::Failed | Outcome::RolledBack => {
                if change.issue.is_some() {
                    Intended::Person
                } else {
                    Intended::Blocked
                }
            }
            Outcome::NotReached | Outcome::Undone => {
                let again = |note: &Note| matches!(note, Note::Again { .. });
                if change.notes.iter().any(again) {
                    Intended::Again
                } else {
                    Intended::Apply
                }
            }
        }
    }

    fn is_pending(self) -> bool {
        match self {
            Intended::Apply
            | Intended::Again
            | Intended::Running
            | Intended::Person
            | Intended::Blocked => true,
            Intended::Skip | Intended::Filtered => false,
        }
    }

    fn words(self) -> (String, Tone) {
        let (words, tone) = match self {
            Intended::Skip => ("applied", Tone::Good),
            Intended::Apply => ("apply", Tone::Waiting),
            Intended::Again => ("again", Tone::Waiting),
            Intended::Running => ("running", Tone::Working),
            Intended::Person => ("issue", Tone::Bad),
            Intended::Blocked => ("blocked", Tone::Bad),
            Intended::Filtered => ("filtered", Tone::Plain),
        };
        (words.to_owned(), tone)
    }
}

fn text(report: &Report, view: &View) -> String {
    let count = |wanted: fn(Intended) -> bool| {
        let changes = report.changes();
        changes
            .filter(|change| wanted(Intended::of(change)))
            .count()
    };
    let pending = count(Intended::is_pending);
    let applied = count(|one| one == Intended::Skip);
    let mut parts = vec![format!(
        "{}: {pending} pending, {applied} applied",
        Visible(&report.service)
    )];
    let mut sheet = Sheet::new(
        view,
        &["STAGE", "ORDER", "CHANGE", "TARGET", "PLAN", "NOTE"],
    );
    let mut shown = false;
    for part in &report.stages {
        for change in &part.changes {
            let intended = Intended::of(change);
            if !view.verbose && !intended.is_pending() && change.notes.is_empty() {
                continue;
            }
            shown = true;
            sheet.row(vec![
                stage(&part.name),
                plain(change.order),
                plain(&change.id),
                plain(change.target),
                intended.words(),
                lines(notes(change)),
            ]);
        }
    }
    if shown {
        parts.push(sheet.text());
    }
    parts.extend(beside(report));
    parts.join("\n")
}
