//! The command `status`: the state of every change of the pipeline.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use super::source::Source;
use super::standing::Standing;
use super::table::{Sheet, Tone, lines, plain, stage};
use super::time::to_the_second;
use super::view::View;
use crate::audit::entry::{LatestEntry, State};
use crate::plan::decision::{Cause, Decision};
use crate::plan::note::Note;
use crate::plan::step::Step;
use crate::runner::builder::Runner;
use crate::util::time;

pub(super) async fn status(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let standing = Standing::read(runner, &*view.source)
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let mut rows: Vec<Row<'_>> = standing
        .plan
        .steps()
        .map(|step| Row::of(step, &standing, runner.settings.selects(step.definition)))
        .collect();
    rows.extend(standing.plan.missing.iter().map(Row::missing));

    let mut sheet = Sheet::new(
        view,
        &[
            "STAGE", "ORDER", "CHANGE", "STATUS", "STATE", "BEGAN", "NOTE",
        ],
    );
    for row in &rows {
        let began = row.started_at.map(to_the_second);
        sheet.row(vec![
            stage(row.stage),
            plain(row.order),
            plain(row.id),
            (
                row.status.words(&*view.source).to_owned(),
                row.status.tone(),
            ),
            plain(row.state.map(State::as_str).unwrap_or_default()),
            plain(began.unwrap_or_default()),
            lines(row.notes.iter().map(ToString::to_string)),
        ]);
    }
    let document = json!({
        "service": runner.settings.service,
        "known_from": view.source.name(),
        "lock_held": standing.snapshot.is_held(),
        "changes": rows,
    });
    let mut text = sheet.text();
    if rows.is_empty() {
        "no change was ever tried".clone_into(&mut text);
    }
    if let Some(limit) = view.source.limit_of_status() {
        text.push('\n');
        text.push_str(limit);
    }
    Ok(Answer::data(document, text))
}

/// The status of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Applied,
    Pending,
    Running,
    Issue,
    Filtered,
    Missing,
}

impl Status {
    fn words(self, source: &dyn Source) -> &'static str {
        match self {
            Status::Applied => "applied",
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Issue => "issue",
            Status::Filtered => "filtered",
            Status::Missing => source.without(),
        }
    }

    fn tone(self) -> Tone {
        match self {
            Status::Applied => Tone::Good,
            Status::Pending => Tone::Waiting,
            Status::Running => Tone::Working,
            Status::Issue => Tone::Bad,
            Status::Filtered | Status::Missing => Tone::Plain,
        }
    }
}

/// The JSON of a change.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: &'a str,
    stage: &'a str,
    order: &'a str,
    target: &'a str,
    status: Status,
    issue: Option<Cause>,
    state: Option<&'a State>,
    transaction_mode: Option<&'a str>,
    origin: Option<&'a str>,
    attempt: Option<u32>,
    #[serde(serialize_with = "time::serialize_if_any")]
    started_at: Option<SystemTime>,
    run_id: Option<&'a str>,
    notes: &'a [Note],
}

impl<'a> Row<'a> {
    fn of(step: &'a Step, standing: &Standing, selected: bool) -> Row<'a> {
        let latest = step.latest.as_deref();
        let lane = standing.snapshot.in_background(step.definition.id);
        let running = lane.is_some() || latest.is_some_and(|latest| standing.is_running(latest));
        let (status, issue) = match &step.decision {
            Decision::Skip => (Status::Applied, None),
            _ if running => (Status::Running, None),
            _ if !selected => (Status::Filtered, None),
            Decision::Filtered => (Status::Filtered, None),
            Decision::Issue(_)
            | Decision::Apply
            | Decision::Again
            | Decision::Verify(_)
            | Decision::Later(_)
            | Decision::Waits(_)
            | Decision::Resolve => match step.issue() {
                Some(cause) => (Status::Issue, Some(cause)),
                None => (Status::Pending, None),
            },
        };
        Row {
            id: step.definition.id,
            stage: step.definition.stage,
            order: step.definition.order,
            target: step.definition.target,
            issue,
            notes: &step.notes,
            ..Row::recorded(status, latest)
        }
    }

    fn missing(latest: &'a LatestEntry) -> Row<'a> {
        Row {
            id: &latest.change_id,
            stage: &latest.stage,
            order: &latest.change_order,
            target: &latest.target,
            ..Row::recorded(Status::Missing, Some(latest))
        }
    }

    fn recorded(status: Status, latest: Option<&'a LatestEntry>) -> Row<'a> {
        Row {
            id: "",
            stage: "",
            order: "",
            target: "",
            status,
            issue: None,
            state: latest.map(|latest| &latest.state),
            transaction_mode: latest.map(|latest| latest.transaction_mode.as_str()),
            origin: latest.map(|latest| latest.origin.as_str()),
            attempt: latest.map(|latest| latest.attempt),
            started_at: latest.map(|latest| latest.started_at),
            run_id: latest.map(|latest| latest.run_id.as_str()),
            notes: &[],
        }
    }
}
