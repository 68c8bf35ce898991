//! The changes that exist already: in the program, in the manifest, and in files that may not be
//! compiled yet.

use std::fs;
use std::path::Path;

use super::attribute;
use super::edit::could_not;
use crate::change::definition::Repeat;
use crate::cli::failure::Failure;
use crate::cli::view::View;
use crate::plan::manifest;
use crate::plan::pipeline::Pipeline;
use crate::runner::builder::Runner;
use crate::source::files::listing::changes_of_folder;
use crate::util::visible::{Visible, visible};

/// A change that exists already.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) stage: String,
    pub(super) place: String,
    /// Whether it is repeatable: it runs after the others, whatever its order is.
    pub(super) repeats: bool,
}

/// Returns the changes of the program. Problems with its pipeline are those of the next run, and no
/// reason to refuse a new file: the first change is created in a program without any.
pub(super) fn known_to_the_program(runner: &Runner, view: &View) -> Vec<Known> {
    let pipeline = view.source.pipeline(&runner.settings, &[]);
    of_pipeline(&pipeline.unwrap_or_default())
}

fn of_pipeline(pipeline: &Pipeline) -> Vec<Known> {
    let changes = pipeline.changes();
    changes
        .map(|change| Known {
            id: change.id.to_owned(),
            order: change.order.to_owned(),
            stage: change.stage.to_owned(),
            place: Visible(change.location()).to_string(),
            repeats: change.repeat == Repeat::OnChange,
        })
        .collect()
}

pub(super) fn of_manifest(file: &Path, text: &str) -> Vec<Known> {
    let lines = (1..).zip(text.lines());
    let known = lines.filter_map(|(number, line)| {
        let line = manifest::Line::parse(number, line.trim())?;
        Some(Known {
            id: line.id,
            order: line.order,
            stage: line.stage,
            place: format!("{}:{number}", Visible(file.display())),
            repeats: line.repeat == Repeat::OnChange,
        })
    });
    known.collect()
}

/// Returns the changes in the files of a folder, which may not be compiled yet.
pub(super) fn of_files(
    folder: &Path,
    is_sql: bool,
    of_folder: &str,
) -> Result<Vec<Known>, Failure> {
    let mut files = Vec::new();
    if folder.is_dir() {
        read_folder(folder, "", &mut files).map_err(|error| could_not("read", folder, &error))?;
    }
    let shown = |file: &str| Visible(folder.join(file).display()).to_string();
    if is_sql {
        let changes = changes_of_folder(&files).map_err(|message| {
            let folder = Visible(folder.display());
            Failure::refused("usage", format!("{folder}: {}", visible(&message)))
        })?;
        let known = changes.into_iter().map(|change| Known {
            place: Visible(folder.display()).to_string(),
            id: change.id,
            order: change.order,
            stage: change.stage.unwrap_or_else(|| of_folder.to_owned()),
            repeats: false,
        });
        return Ok(known.collect());
    }
    let code = files.iter().filter(|(file, _)| file.ends_with(".rs"));
    let known = code.flat_map(|(file, text)| {
        attribute::read(text).into_iter().map(|change| Known {
            id: change.id,
            order: change.order,
            stage: change.stage,
            place: shown(file),
            repeats: false,
        })
    });
    Ok(known.collect())
}

/// Reads the texts of a folder and its subfolders, by their paths relative to it.
fn read_folder(
    folder: &Path,
    before: &str,
    files: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{before}{name}");
        if entry.path().is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push((path, text));
        }
    }
    Ok(())
}
