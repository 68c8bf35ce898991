//! Folders of changes that a test writes down, as `include_files!` would embed them.

use flamingock::__private::{Defaults, EmbeddedFolder, Location};

/// A folder `changes` with these files.
#[must_use]
pub fn folder(files: &[(&'static str, &str)]) -> &'static EmbeddedFolder {
    folder_with(Defaults::NONE, files)
}

/// The same, of which it is said whose names its files have.
#[must_use]
pub fn folder_of(format: &'static str, files: &[(&'static str, &str)]) -> &'static EmbeddedFolder {
    let defaults = Defaults {
        format: Some(format),
        ..Defaults::NONE
    };
    folder_with(defaults, files)
}

fn folder_with(defaults: Defaults, files: &[(&'static str, &str)]) -> &'static EmbeddedFolder {
    let files: Vec<(&'static str, &'static str)> = files
        .iter()
        .map(|(name, text)| (*name, &*(*text).to_owned().leak()))
        .collect();
    let location = Location {
        file: file!(),
        line: line!(),
    };
    Box::leak(Box::new(EmbeddedFolder::new(
        "changes",
        location,
        module_path!(),
        "the tests",
        defaults,
        files.leak(),
        None,
    )))
}

/// The same with one file, `changes/0001__script.sql`.
#[must_use]
pub fn script(text: &str) -> &'static EmbeddedFolder {
    folder(&[("0001__script.sql", text)])
}
