//! Folders of changes that a test writes, as `include_files!` would embed them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flamingock::__private::{Defaults, EmbeddedFolder, Location};
use sha2::{Digest, Sha256};

/// A folder `changes` with these files.
#[must_use]
pub fn folder(files: &[(&'static str, &str)]) -> &'static EmbeddedFolder {
    folder_with(Defaults::NONE, files)
}

/// The same, with the tool whose names the files have.
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

/// Files that leave no trace in the table `done`, and these behind them. From the sixth on,
/// consecutive files share a connection.
#[must_use]
pub fn behind_fillers(count: usize, behind: &[(&'static str, &str)]) -> &'static EmbeddedFolder {
    let names = (0..count).map(|number| &*format!("{number:04}__filler_{number}.sql").leak());
    let filler = "UPDATE done SET what = what WHERE what = 'filler'";
    let mut files: Vec<(&'static str, &str)> = names.map(|name| (name, filler)).collect();
    files.extend_from_slice(behind);
    folder(&files)
}

/// The same with one file, `changes/0001__script.sql`.
#[must_use]
pub fn script(text: &str) -> &'static EmbeddedFolder {
    folder(&[("0001__script.sql", text)])
}

/// The text of `atlas.sum` for files in the order of their names, as Atlas writes it.
#[must_use]
pub fn atlas_sum(files: &[(&str, &str)]) -> String {
    let summed = |bytes: &[u8]| BASE64_STANDARD.encode(Sha256::digest(bytes));
    let (mut so_far, mut all, mut lines) = (String::new(), String::new(), String::new());
    for (name, text) in files {
        so_far = so_far + name + text;
        let sum = summed(so_far.as_bytes());
        all = all + name + &sum;
        lines = lines + name + " h1:" + &sum + "\n";
    }
    format!("h1:{}\n{lines}", summed(all.as_bytes()))
}
