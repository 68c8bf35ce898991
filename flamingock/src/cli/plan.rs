//! The command `plan`: shows what `apply` would do.

use std::collections::HashSet;

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use super::exit::Exit;
use super::failure::Failure;
use super::format::{Finding, Format, Level};
use super::pending_sql::PendingSql;
use super::report::{beside, notes};
use super::table::{Sheet, Tone, lines, plain, stage};
use super::view::View;
use crate::engine;
use crate::plan::note::Note;
use crate::report::error::Error;
use crate::report::run::{ChangeReport, Outcome, Report};
use crate::runner::builder::Runner;
use crate::util::visible::Visible;

/// How much of the plan, and in which format.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Show the SQL of the pending changes, too
    #[arg(long)]
    sql: bool,
    /// Count the changes in the background, too
    #[arg(long)]
    background: bool,
    /// The format of the plan
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) async fn plan(runner: Runner, plan: &Plan, view: &View) -> Result<Answer, Failure> {
    let runner = &match plan.background {
        true => runner.with_background(),
        false => runner,
    };
    let failed = |error| Failure::of(error, &view.program);
    let report = runner.plan().await.map_err(failed)?;
    let sql = match plan.sql {
        true => Some(pending_sql(runner, &report).map_err(failed)?),
        false => None,
    };
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
        .filter(|change| change.notes.contains(&Note::Running))
        .map(|change| change.id.as_str())
        .collect();
    let mut document = json!({ "report": report, "running": running });
    let text = format_report(plan.format, &report).unwrap_or_else(|| text(&report, view));
    let mut parts = vec![text];
    if let Some(sql) = sql {
        document["sql"] = json!(sql);
        parts.extend(sql.iter().map(PendingSql::text));
    }
    Ok(Answer::data(document, parts.join("\n\n")).ending(exit))
}

/// Returns the SQL of the pending changes, in order.
fn pending_sql(runner: &Runner, report: &Report) -> Result<Vec<PendingSql>, Error> {
    let pipeline = engine::pipeline_of(&runner.settings)?;
    let pending: HashSet<&str> = report
        .changes()
        .filter(|change| Intended::of(change).is_pending())
        .map(|change| change.id.as_str())
        .collect();
    let changes = pipeline
        .changes()
        .filter(|change| pending.contains(change.id));
    Ok(changes.flat_map(PendingSql::of).collect())
}

/// Returns a report in a format for pull requests, with a finding for each pending change. `None`
/// for text.
pub(super) fn format_report(format: Format, report: &Report) -> Option<String> {
    let mut findings = Vec::new();
    let mut applied = 0;
    for stage in &report.stages {
        for change in &stage.changes {
            let intended = Intended::of(change);
            applied += usize::from(intended == Intended::Skip);
            if !intended.is_pending() && change.notes.is_empty() {
                continue;
            }
            let level = match intended {
                Intended::Person => Level::Error,
                Intended::Blocked => Level::Warning,
                _ => Level::Notice,
            };
            let finding = Finding {
                level,
                file: String::new(),
                line: 0,
                stage: stage.name.clone(),
                order: change.order.to_owned(),
                id: change.id.clone(),
                title: intended.words().0,
                detail: notes(change).join("\n"),
            };
            findings.push(finding.at(change.location));
        }
    }
    let pending = report
        .changes()
        .filter(|change| Intended::of(change).is_pending());
    let summary = format!(
        "{}: {} pending, {applied} applied",
        report.service,
        pending.count()
    );
    format.text(&summary, &findings)
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
    Later,
    Paused,
}

impl Intended {
    fn of(change: &ChangeReport) -> Intended {
        match change.outcome {
            Outcome::Pending => Intended::Later,
            Outcome::Paused => Intended::Paused,
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
            Intended::Skip | Intended::Filtered | Intended::Later | Intended::Paused => false,
        }
    }

    /// Reports whether the table shows the change although it has no note.
    fn is_shown(self) -> bool {
        self.is_pending() || matches!(self, Intended::Later | Intended::Paused)
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
            Intended::Later => ("in the background", Tone::Plain),
            Intended::Paused => ("paused", Tone::Waiting),
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
            if !view.verbose && !intended.is_shown() && change.notes.is_empty() {
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
