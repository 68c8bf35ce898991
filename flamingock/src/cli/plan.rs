//! `plan`: what `apply` would do.

use std::collections::HashSet;

use serde_json::json;

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::report::{self, beside, notes};
use super::standing::Standing;
use super::table::{Sheet, Tone, plain, stage};
use super::view::View;
use crate::audit::{Newest, Origin, State};
use crate::report::{ChangeReport, Outcome, Report};
use crate::runner::Runner;

pub(super) async fn plan(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let failed = |error| Failure::of(error, &view.program);
    let report = runner.plan().await.map_err(failed)?;
    let standing = Standing::read(runner).await.map_err(failed)?;
    let issues = standing.issues();
    let running: HashSet<&str> = issues
        .iter()
        .filter(|issue| issue.may_be_running)
        .map(|issue| issue.change_id.as_str())
        .collect();

    let undone: HashSet<&str> = standing
        .plan
        .steps()
        .filter(|step| step.newest.as_ref().is_some_and(is_undone))
        .map(|step| step.definition.id)
        .collect();

    let step = |change: &ChangeReport| Intended::of(change, &running);
    let exit = if report
        .changes()
        .any(|change| step(change) == Intended::Person)
    {
        Exit::Person
    } else if report.changes().any(|change| step(change).is_pending()) {
        Exit::Pending
    } else {
        Exit::Done
    };
    let mut document = json!({ "report": report::to_json(&report) });
    document["running"] = json!(running);
    let note = |change: &ChangeReport| match step(change) {
        Intended::Running => String::new(),
        Intended::Apply if undone.contains(change.id.as_str()) => {
            ["it was undone".to_owned(), notes(change)]
                .join("\n")
                .trim_end()
                .to_owned()
        }
        _ => notes(change),
    };
    Ok(Answer::data(document, text(&report, view, step, note)).ending(exit))
}

fn is_undone(newest: &Newest) -> bool {
    newest.state == State::RolledBack && newest.origin == Origin::Undo
}

/// What is to become of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intended {
    Skip,
    Apply,
    Running,
    Person,
    Blocked,
    Filtered,
}

impl Intended {
    fn of(change: &ChangeReport, running: &HashSet<&str>) -> Intended {
        match change.outcome {
            Outcome::AlreadyApplied | Outcome::NewlyApplied => Intended::Skip,
            Outcome::Filtered => Intended::Filtered,
            Outcome::Blocked | Outcome::Failed | Outcome::RolledBack => {
                if running.contains(change.id.as_str()) {
                    Intended::Running
                } else if change.issue.is_some() {
                    Intended::Person
                } else {
                    Intended::Blocked
                }
            }
            Outcome::NotReached => Intended::Apply,
        }
    }

    fn is_pending(self) -> bool {
        match self {
            Intended::Apply | Intended::Running | Intended::Person | Intended::Blocked => true,
            Intended::Skip | Intended::Filtered => false,
        }
    }

    fn words(self) -> (String, Tone) {
        let (words, tone) = match self {
            Intended::Skip => ("applied", Tone::Good),
            Intended::Apply => ("apply", Tone::Waiting),
            Intended::Running => ("running", Tone::Working),
            Intended::Person => ("needs a person", Tone::Bad),
            Intended::Blocked => ("blocked", Tone::Bad),
            Intended::Filtered => ("filtered", Tone::Plain),
        };
        (words.to_owned(), tone)
    }
}

fn text(
    report: &Report,
    view: &View,
    step: impl Fn(&ChangeReport) -> Intended,
    note: impl Fn(&ChangeReport) -> String,
) -> String {
    let pending = report
        .changes()
        .filter(|change| step(change).is_pending())
        .count();
    let applied = report
        .changes()
        .filter(|change| step(change) == Intended::Skip)
        .count();
    let mut parts = vec![format!(
        "{}: {pending} pending, {applied} applied",
        report.service
    )];
    let mut sheet = Sheet::new(
        view,
        &["STAGE", "ORDER", "CHANGE", "TARGET", "PLAN", "NOTE"],
    );
    let mut shown = false;
    for part in &report.stages {
        for change in &part.changes {
            let intended = step(change);
            if !view.verbose && !intended.is_pending() && change.notes.is_empty() {
                continue;
            }
            shown = true;
            sheet.row(vec![
                stage(&part.name),
                plain(&change.order),
                plain(&change.id),
                plain(&change.target),
                intended.words(),
                plain(note(change)),
            ]);
        }
    }
    if shown {
        parts.push(sheet.text());
    }
    parts.extend(beside(report));
    parts.join("\n")
}
