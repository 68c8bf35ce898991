//! Mistakes in the names of files.

use super::passed_over::has_one_of;
use crate::source::files::compare;
use crate::source::files::folder::EmbeddedFolder;
use crate::source::files::format::{self, Format};
use crate::source::files::role::Kind;

/// Returns the mistake in the name of a file; `None` if another file of the folder has the same one
/// already.
pub(super) fn misnamed(
    folder: &EmbeddedFolder,
    format: Format,
    file: &str,
    is_first: bool,
) -> Option<String> {
    let said = folder.defaults.format.is_some();
    let all = || {
        let files = folder.files.iter();
        files.filter(|(file, _)| !compare::is_program(file) && !compare::is_sign(file))
    };
    match (has_one_of(format, folder), is_first) {
        (true, _) => Some(misnamed_one(format, file, said)),
        (false, true) => Some(misnamed_all(format, all().count(), said)),
        (false, false) => None,
    }
}

/// Returns the mistake for a folder without any name in this format.
fn misnamed_all(format: Format, count: usize, said: bool) -> String {
    let files = match count {
        1 => "this file, the only one of its folder, is".to_owned(),
        count => format!("this file and the other files of its folder, {count} in all, are"),
    };
    if said {
        return format!(
            "{files} not named as the format says: expected {}",
            format.example()
        );
    }
    let examples: Vec<String> = Format::ALL
        .iter()
        .map(|format| format!("{} ({})", format.example(), format.words()))
        .collect();
    format!(
        "{files} not named as changes are: expected one of {}",
        examples.join("; ")
    )
}

fn misnamed_one(format: Format, file: &str, said: bool) -> String {
    if format != Format::Own && matches!(Kind::of(file), Some((Kind::Yaml | Kind::Toml, _))) {
        return format!(
            "it declares a change, and the other files have {}: move it to a folder of its own, named as {}",
            format.words(),
            Format::Own.example()
        );
    }
    if let Some(message) = (format == Format::Flyway)
        .then(|| of_flyway(file))
        .flatten()
    {
        return message.to_owned();
    }
    let example = format.example();
    let why = if said {
        "as the format says"
    } else {
        "as the other files are"
    };
    match format {
        Format::Own => format!(
            "it is not named as a change is, {example}: rename it, or move it out of the folder"
        ),
        _ => format!(
            "it is not named {why}, {example}: rename it, or move it out of the folder; a subfolder is not looked into by every tool"
        ),
    }
}

/// Returns the mistake for a file of Flyway that is not supported.
fn of_flyway(file: &str) -> Option<&'static str> {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    if format::is_callback(name) {
        return Some(
            "it is a callback of Flyway, which is not called here: write it as a change, with `repeat=on-change` if it is to run again, and move it out of the folder",
        );
    }
    let version = name.strip_prefix('B')?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(
        "it is a baseline file of Flyway, which takes the place of the files before it on an empty database: that is not known here. Remove it and keep those files; or, if they are gone, write `V` for `B` in its name: a database that Flyway has begun with it is adopted by its version",
    )
}
