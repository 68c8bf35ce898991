//! Creates what the plan has.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::arguments::New;
use super::edit::{Edit, create};
use super::plan::Planned;
use crate::cli::answer::Answer;
use crate::cli::failure::Failure;
use crate::cli::view::View;
use crate::runner::builder::Runner;
use crate::util::visible::Visible;

pub(in crate::cli) fn new(runner: &Runner, new: &New, view: &View) -> Result<Answer, Failure> {
    let planned = Planned::make(runner, new, view)?;
    write(&planned)?;
    let shown = |path: &Path| Visible(path.display()).to_string();
    let mut lines: Vec<String> = planned
        .files
        .iter()
        .map(|(file, _)| format!("created {}", shown(file)))
        .collect();
    let edited = planned.edits.iter();
    lines.extend(edited.map(|edit| format!("{} {}", edit.what, shown(&edit.file))));
    lines.push(planned.next.clone());
    let change = &planned.change;
    let document = json!({
        "new": {
            "id": change.id,
            "order": change.order,
            "stage": planned.stage,
            "target": change.target,
            "created": planned.files.iter().map(|(file, _)| file).collect::<Vec<_>>(),
            "edited": planned.edits.iter().map(|edit| &edit.file).collect::<Vec<_>>(),
        }
    });
    Ok(Answer::done(document, lines.join("\n")))
}

/// Writes all files, or leaves everything as it was.
fn write(planned: &Planned) -> Result<(), Failure> {
    let mut created: Vec<&Path> = Vec::new();
    let written = planned
        .files
        .iter()
        .try_for_each(|(file, text)| {
            create(file, text)?;
            created.push(file);
            Ok(())
        })
        .and_then(|()| planned.edits.iter().try_for_each(Edit::write));
    written.inspect_err(|_| {
        for file in created {
            let _ = fs::remove_file(file);
        }
        for edit in &planned.edits {
            edit.restore();
        }
    })
}
