//! Loading the changes of a folder. All mistakes of a folder are reported together.

mod declared;
mod definition;
mod file;
mod misnamed;
mod passed_over;
pub(crate) mod read_change;
mod reader;

use std::collections::BTreeMap;

use self::file::{File, Files, Problems, leak};
use self::misnamed::misnamed;
pub(super) use self::passed_over::passed_over;
use self::passed_over::{is_passed_over, said};
use self::reader::Reader;
use super::folder::EmbeddedFolder;
use super::format::{self, Format};
use super::role::Role;
use super::templates::Templates;
use super::{compare, foreign, marks, name};
use crate::change::definition::Definition;
use crate::change::problem::Problem;

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

#[cfg(test)]
mod tests;
