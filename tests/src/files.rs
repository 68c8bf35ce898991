//! Folders of changes that a test writes down, as `include_files!` would embed them.

use flamingock::__private::{Defaults, EmbeddedFolder, Location};

/// A folder `changes` with these files.
#[must_use]
pub fn folder(files: &[(&'static str, &str)]) -> &'static EmbeddedFolder {
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
        Defaults::NONE,
        files.leak(),
        None,
    )))
}

/// The same with one file, `changes/0001__script.sql`.
#[must_use]
pub fn script(text: &str) -> &'static EmbeddedFolder {
    folder(&[("0001__script.sql", text)])
}
