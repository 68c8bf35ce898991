//! The command `adopt`: adopts what another tool, or another service, has applied.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::by::By;
use super::failure::Failure;
use super::table::{Sheet, Tone, plain};
use super::view::View;
use crate::adopt::adoption::Adoption;
use crate::adopt::{Adopted, AdoptedChange, PastChange, Tool};
use crate::runner::builder::Runner;
use crate::util::plural::plural;
use crate::util::visible::Visible;

/// Whose history, and how its changes are found here.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The tool: sqlx, refinery, sea-orm, diesel, goose, flyway, dbmate, golang-migrate, atlas, liquibase, flamingock-java or mongock
    #[arg(
        value_name = "TOOL",
        required_unless_present = "from_service",
        conflicts_with = "from_service"
    )]
    tool: Option<Tool>,
    /// Another service of the same database, instead of a tool
    #[arg(long, value_name = "NAME")]
    from_service: Option<String>,
    /// The tool's table [default: the tool's own default]
    #[arg(long, value_name = "TABLE", requires = "tool")]
    table: Option<String>,
    /// The target system that has the table [default: the audit's database]
    #[arg(long, value_name = "TARGET", requires = "tool")]
    target: Option<String>,
    /// A file with lines `their-id = our-id`, or `their-id = -` for an entry without a change here
    #[arg(long, value_name = "FILE", requires = "tool")]
    map: Option<PathBuf>,
    /// The output of `mongoexport` for Mongock's collection
    #[arg(
        long,
        value_name = "FILE",
        requires = "tool",
        required_if_eq("tool", "mongock")
    )]
    export: Option<PathBuf>,
    /// Accept a history without any change
    #[arg(long, requires = "tool")]
    allow_empty: bool,
    /// Accept that the table is missing, as in a new environment
    #[arg(long, requires = "table")]
    allow_missing: bool,
    /// Show how each entry and each change would be recorded, and why, without writing anything
    #[arg(long, requires = "tool")]
    dry_run: bool,
    #[command(flatten)]
    pub(super) by: By,
}

pub(super) async fn adopt(runner: &Runner, adopt: &Adopt, view: &View) -> Result<Answer, Failure> {
    let failed = |error| Failure::of(error, &view.program);
    if let Some(service) = &adopt.from_service {
        let count = runner.adopt_from_service(service).await.map_err(failed)?;
        let text = format!(
            "{} adopted from the service {service:?}",
            plural(count, "change")
        );
        return Ok(Answer::done(
            json!({ "from_service": service, "adopted": count }),
            text,
        ));
    }
    let adoption = adopt.adoption()?;
    if adopt.dry_run {
        let adopted = runner.plan_adoption(&adoption).await.map_err(failed)?;
        let lines = explained(&adopted);
        let text = explanation(&adopted, &lines, view);
        let document = json!({ "adoption": adopted, "dry_run": lines });
        return Ok(Answer::done(document, text));
    }
    let adopted = runner.adopt(&adoption).await.map_err(failed)?;
    let text = text(&adopted, view);
    Ok(Answer::done(json!({ "adoption": adopted }), text))
}

impl Adopt {
    fn adoption(&self) -> Result<Adoption, Failure> {
        let tool = self.tool.unwrap_or(Tool::Sqlx);
        let mut adoption = match (tool, &self.export) {
            (Tool::Mongock, Some(file)) => Adoption::mongock(read(file)?),
            (tool, Some(_)) => {
                let message = format!("--export is for mongock: the history of {tool} is a table");
                return Err(Failure::refused("usage", message));
            }
            (tool, None) => Adoption::of(tool),
        };
        if let Some(table) = &self.table {
            adoption = adoption.table(table);
        }
        if let Some(target) = &self.target {
            adoption = adoption.target(target);
        }
        if let Some(file) = &self.map {
            let of_file = |error: crate::Error| {
                let problems: Vec<String> =
                    error.problems().iter().map(ToString::to_string).collect();
                let message = format!("{}: {}", Visible(file.display()), problems.join("\n"));
                Failure::refused("invalid", message)
            };
            adoption = adoption.mapping(&read(file)?).map_err(of_file)?;
        }
        if self.allow_empty {
            adoption = adoption.allow_empty();
        }
        if self.allow_missing {
            adoption = adoption.allow_missing();
        }
        Ok(adoption)
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::file(
            &format!("could not read {}", Visible(file.display())),
            &error,
        )
    })
}

/// What an entry of the history, or a change of this application, would count as.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    change_id: Option<&'a str>,
    entry: Option<&'a str>,
    counts_as: &'static str,
    why: &'a str,
    #[serde(skip)]
    tone: Tone,
}

fn explained(adopted: &Adopted) -> Vec<Explained<'_>> {
    let line = |change_id, entry, counts_as, tone, why| Explained {
        change_id,
        entry,
        counts_as,
        why,
        tone,
    };
    let mut lines = Vec::new();
    for change in &adopted.adopted {
        let (id, entry) = (Some(&*change.change_id), Some(&*change.past.name));
        lines.push(line(id, entry, "applied", Tone::Good, &change.why));
    }
    for change in &adopted.known {
        let (id, entry) = (Some(&*change.change_id), Some(&*change.past.name));
        let why = "this service has an entry of it already";
        lines.push(line(id, entry, "known already", Tone::Plain, why));
    }
    for past in &adopted.unmapped {
        let why = "no change here has its name or version";
        lines.push(line(None, Some(&past.name), "nothing", Tone::Waiting, why));
    }
    for past in &adopted.left_out {
        let why = "the mapping leaves it out";
        lines.push(line(None, Some(&past.name), "nothing", Tone::Plain, why));
    }
    for row in &adopted.passed_over {
        lines.push(line(
            None,
            Some(&row.name),
            "nothing",
            Tone::Plain,
            &row.why,
        ));
    }
    for id in &adopted.not_in_history {
        let why = "the history does not have it: a run applies it, unless this service has";
        lines.push(line(Some(id), None, "pending", Tone::Waiting, why));
    }
    lines
}

fn explanation(adopted: &Adopted, lines: &[Explained<'_>], view: &View) -> String {
    let mut sheet = Sheet::new(view, &["CHANGE", "OF THE OTHER TOOL", "COUNTS AS", "WHY"]);
    for line in lines {
        sheet.row(vec![
            plain(line.change_id.unwrap_or_default()),
            plain(line.entry.unwrap_or_default()),
            (line.counts_as.to_owned(), line.tone),
            plain(line.why),
        ]);
    }
    let count = adopted.adopted.len();
    let changes = if count == 1 { "change" } else { "changes" };
    let summary = format!(
        "{count} {changes} of {} would be adopted; nothing was written",
        adopted.tool
    );
    let table = sheet.text();
    if table.is_empty() {
        return summary;
    }
    format!("{}\n{summary}", table.trim_end())
}

fn text(adopted: &Adopted, view: &View) -> String {
    let mut sheet = Sheet::new(view, &["CHANGE", "OF THE OTHER TOOL", "OUTCOME"]);
    let mut here = |what: &str, tone: Tone, change: &AdoptedChange| {
        sheet.row(vec![
            plain(&change.change_id),
            plain(&change.past.name),
            (what.to_owned(), tone),
        ]);
    };
    for change in &adopted.adopted {
        here("adopted", Tone::Good, change);
    }
    for known in &adopted.known {
        here("known already", Tone::Plain, known);
    }
    let mut theirs = |what: &str, tone: Tone, past: &PastChange| {
        sheet.row(vec![plain(""), plain(&past.name), (what.to_owned(), tone)]);
    };
    for past in &adopted.unmapped {
        theirs("not here", Tone::Waiting, past);
    }
    for past in &adopted.left_out {
        theirs("left out", Tone::Plain, past);
    }
    for id in &adopted.not_in_history {
        let what = ("not in the history".to_owned(), Tone::Waiting);
        sheet.row(vec![plain(id), plain(""), what]);
    }
    let summary = format!(
        "{} adopted from {}",
        plural(adopted.adopted.len(), "change"),
        adopted.tool
    );
    let table = sheet.text();
    if table.is_empty() {
        return summary;
    }
    format!("{}\n{summary}", table.trim_end())
}
