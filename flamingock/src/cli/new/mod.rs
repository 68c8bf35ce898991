//! The command `new`: creates the files of a change, its `mod` line and its line in the manifest.

mod attribute;
mod order;
mod plan;
mod text;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

pub(super) use self::plan::MANIFEST;
use self::plan::{Edit, Planned};
use super::answer::Answer;
use super::failure::Failure;
use super::view::View;
use crate::runner::builder::Runner;
use crate::util::visible::Visible;

/// The new change.
#[derive(Debug, Args)]
pub(super) struct New {
    /// What the change does, as in "create orders": its id and its description
    title: String,
    /// Create an SQL file and its rollback, and not Rust code
    #[arg(long)]
    sql: bool,
    /// The stage [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// The target system [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// The order [default: the next one: a number, or the time if the last one is a timestamp]
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// The folder of the change [default: src/changes; for SQL, the embedded folder, or changes]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The committed manifest, which gets a line [default: changes.lock, if that is there]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

pub(super) fn new(runner: &Runner, new: &New, view: &View) -> Result<Answer, Failure> {
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

/// Creates a file that does not exist yet, with its folders.
fn create(file: &Path, text: &str) -> Result<(), Failure> {
    let written = file
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(file))
        .and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| could_not("create", file, &error))
}

fn could_not(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::file(
        &format!("could not {what} {}", Visible(file.display())),
        error,
    )
}
