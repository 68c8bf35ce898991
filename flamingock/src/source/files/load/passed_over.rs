//! Files that the tool of a folder ignores.

use crate::source::files::folder::EmbeddedFolder;
use crate::source::files::format::Format;
use crate::source::files::templates::Decided;
use crate::source::files::{compare, name, passed};
use crate::util::plural::plural;

/// Reports whether the tool ignores a file of the folder. Folders of unknown tools look like
/// sqlx's, so a folder of sqlx must be declared.
pub(super) fn is_passed_over(
    folder: &EmbeddedFolder,
    format: Format,
    is_said: bool,
    file: &str,
) -> bool {
    let is_certain = is_said || format != Format::Sqlx;
    is_certain
        && name::read(format, file).is_none()
        && passed::over(format, file)
        && has_one_of(format, folder)
}

/// Returns the warning about files that the tool of a folder ignores, and that a run ignores too.
pub(in crate::source::files) fn passed_over(
    folder: &EmbeddedFolder,
    formats: &[Decided],
) -> Option<String> {
    const SHOWN: usize = 5;
    let said = said(folder, formats);
    let format = said.map_or_else(|| Format::find(folder.files), Ok).ok()?;
    let is_of_tool = |file: &str| !compare::is_sign(file) && !compare::is_program(file);
    let files = folder.files.iter().map(|(file, _)| *file);
    let passed: Vec<String> = files
        .filter(|file| is_of_tool(file) && is_passed_over(folder, format, said.is_some(), file))
        .map(|file| format!("{}/{file}", folder.path))
        .collect();
    let (shown, others) = passed.split_at(passed.len().min(SHOWN));
    let more = match others.len() {
        0 => String::new(),
        count => format!(" and {}", plural(count, "other file")),
    };
    (!passed.is_empty()).then(|| {
        format!(
            "{}{more} passed over: not named with {}, and left out by that tool, too",
            shown.join(", "),
            format.words()
        )
    })
}

/// Returns the format that is declared, or that a history has determined.
pub(super) fn said(folder: &EmbeddedFolder, formats: &[Decided]) -> Option<Format> {
    let mut found_out = formats.iter();
    let found_out = found_out.find(|(address, _)| *address == folder.address());
    let found_out = found_out.map(|(_, format)| *format);
    folder.defaults.format.or(found_out).and_then(Format::named)
}

/// Reports whether any file of the folder has a name in this format.
pub(super) fn has_one_of(format: Format, folder: &EmbeddedFolder) -> bool {
    let mut files = folder.files.iter();
    files.any(|(file, _)| name::read(format, file).is_some())
}
