//! Loading the changes of a folder. All mistakes of a folder are reported together.

mod declared;
mod definition;
mod misnamed;
mod passed_over;
pub(crate) mod read_change;
mod reader;

use std::collections::BTreeMap;

use self::misnamed::misnamed;
use self::passed_over::is_passed_over;
pub(super) use self::passed_over::passed_over;
use self::reader::Reader;
use super::folder::EmbeddedFolder;
use super::format::{self, Format};
use super::mistake::Mistake;
use super::role::{Name, Role};
use super::templates::{Decided, Templates};
use super::{compare, foreign, marks, name};
use crate::change::definition::Definition;
use crate::change::problem::Location;
use crate::change::problem::Problem;

/// The files of one change.
#[derive(Default)]
struct Files {
    apply: Option<File>,
    rollback: Option<File>,
    settings: Option<File>,
}

/// A file, and the meaning of its name.
#[derive(Clone)]
struct File {
    name: Name,
    /// The path, relative to the package.
    path: &'static str,
    text: &'static str,
}

/// The problems found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn at(&mut self, path: &'static str, line: u32, message: impl Into<String>) {
        self.0
            .push(Problem::at(Location { file: path, line }, message));
    }

    /// Records a mistake, or returns what was read.
    fn take<T>(&mut self, path: &'static str, read: Result<T, Mistake>) -> Option<T> {
        read.map_err(|(line, message)| self.at(path, line, message))
            .ok()
    }
}

/// Returns the changes of a folder, in the order of their files.
pub(super) fn definitions(
    folder: &EmbeddedFolder,
    templates: &Templates,
) -> Result<Vec<&'static Definition>, Vec<Problem>> {
    let mut problems = Problems::default();
    let path = |file: &str| leak(format!("{}/{file}", folder.path));
    let said = said(folder, &templates.formats);
    let format = match said.map_or_else(|| Format::find(folder.files), Ok) {
        Ok(format) => format,
        Err((index, message)) => {
            problems.at(path(folder.files[index].0), 1, message);
            return Err(problems.0);
        }
    };
    // A folder with a declared format is trusted to have it.
    if said.is_none()
        && let Some((index, message)) = foreign::folder(folder.files)
    {
        problems.at(path(folder.files[index].0), 1, message);
        return Err(problems.0);
    }
    // Without the feature there is no database to run it.
    #[cfg(feature = "_sqlx")]
    if format == Format::Atlas
        && let Err(misfit) = super::atlas_sum::check(folder.files)
    {
        problems.at(path(&misfit.file), misfit.line, misfit.message);
    }
    let mut changes: BTreeMap<String, Files> = BTreeMap::new();
    let (shortest, longest) = lengths(format, folder.files);
    let mut is_first_misnamed = true;
    for (file, text) in folder.files {
        let path = path(file);
        // The file only identifies the tool of the folder.
        if compare::is_sign(file) {
            continue;
        }
        if compare::is_program(file) {
            problems.at(path, 1, IN_ANOTHER_LANGUAGE);
            continue;
        }
        let Some(mut name) = name::read(format, file) else {
            // Its marks are more specific than its name.
            if let Some((line, message)) = marks::find_foreign(format, text) {
                problems.at(path, line, message);
                continue;
            }
            if is_passed_over(folder, format, said.is_some(), file) {
                continue;
            }
            // An unknown naming scheme is one mistake for the folder, and not one for each file.
            if let Some(message) = misnamed(folder, format, file, is_first_misnamed) {
                problems.at(path, 1, message);
            }
            is_first_misnamed = false;
            continue;
        };
        match format {
            Format::Diesel => name.order = name::text_order(&name.order, shortest),
            Format::Dbmate | Format::Atlas => {
                name.order = name::file_order(&name, shortest, longest);
            }
            Format::Own
            | Format::Sqlx
            | Format::Refinery
            | Format::Goose
            | Format::Flyway
            | Format::GolangMigrate => {}
        }
        let files = changes.entry(name.key.clone()).or_default();
        let place = match name.role {
            Role::Apply | Role::Both => &mut files.apply,
            Role::Rollback => &mut files.rollback,
            Role::Settings => &mut files.settings,
        };
        match place {
            Some(other) => {
                let message = format!(
                    "it is for the same change as {}: keep one of them",
                    other.path
                );
                problems.at(path, 1, message);
            }
            None => *place = Some(File { name, path, text }),
        }
    }
    let reader = Reader {
        folder,
        format,
        said: said.is_some(),
        templates,
    };
    let mut definitions = Vec::new();
    for files in changes.into_values() {
        definitions.extend(reader.definition(&files, &mut problems));
    }
    if problems.0.is_empty() {
        Ok(definitions)
    } else {
        Err(problems.0)
    }
}

/// Returns the format that is declared, or that a history has determined.
fn said(folder: &EmbeddedFolder, formats: &[Decided]) -> Option<Format> {
    let mut found_out = formats.iter();
    let found_out = found_out.find(|(address, _)| *address == folder.address());
    let found_out = found_out.map(|(_, format)| *format);
    folder.defaults.format.or(found_out).and_then(Format::named)
}

/// Reports whether the names of a folder fit both sqlx and golang-migrate.
pub(super) fn fits_two(files: &[(&'static str, &'static str)]) -> bool {
    Format::find(files).is_ok_and(|format| format::fits_two(format, files))
}

const IN_ANOTHER_LANGUAGE: &str = "it is a migration in another language, which would be passed over: write it as a `#[change]` function with the same place in the order, and move the file out of the folder";

/// Returns the lengths of the shortest and the longest version, if versions are compared as text.
fn lengths(format: Format, files: &[(&'static str, &'static str)]) -> (usize, usize) {
    let names = files.iter().filter_map(|(file, _)| match format {
        Format::Diesel | Format::Dbmate | Format::Atlas => name::read(format, file),
        Format::Own
        | Format::Sqlx
        | Format::Refinery
        | Format::Goose
        | Format::Flyway
        | Format::GolangMigrate => None,
    });
    let lengths: Vec<usize> = names.map(|name| name.order.len()).collect();
    let of = |length: Option<&usize>| length.copied().unwrap_or_default();
    (of(lengths.iter().min()), of(lengths.iter().max()))
}

/// Reports whether any file of the folder has a name in this format.
fn has_one_of(format: Format, folder: &EmbeddedFolder) -> bool {
    let mut files = folder.files.iter();
    files.any(|(file, _)| name::read(format, file).is_some())
}

/// Definitions live as long as the process, like those of code.
fn leak(text: String) -> &'static str {
    text.leak()
}

#[cfg(test)]
mod tests;
