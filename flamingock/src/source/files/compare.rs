//! Comparing the embedded files of a debug build with the folder on disk, because cargo may not
//! notice a new file, and the change would be missing silently.

use std::collections::BTreeSet;
use std::path::Path;

use super::atlas;
use super::folder::EmbeddedFolder;
use crate::change::problem::Problem;

/// The extensions of the files that are embedded.
const EXTENSIONS: [&str; 5] = ["sql", "yaml", "yml", "toml", "conf"];

/// Files that identify the tool of a folder.
const SIGNS: [&str; 2] = ["atlas.sum", "_journal.json"];

/// The extensions of programs. The macro lists them without their text, because a migration in
/// another language between the SQL files must not be ignored silently.
const PROGRAMS: [&str; 16] = [
    "go", "java", "kt", "scala", "groovy", "rs", "py", "rb", "php", "js", "mjs", "ts", "cs", "sh",
    "ps1", "pl",
];

/// Returns a problem for each file that is only on disk or only embedded. Reports nothing if the
/// folder cannot be read, because the program may run on another machine than it was built on.
pub(super) fn with_disk(folder: &EmbeddedFolder, on_disk: &Path) -> Vec<Problem> {
    let mut there = BTreeSet::new();
    if collect(on_disk, "", &mut there).is_err() {
        return Vec::new();
    }
    let embedded: BTreeSet<String> = folder
        .files
        .iter()
        .map(|(file, _)| (*file).to_owned())
        .collect();
    let problem = |file: &String, what: &str| {
        let path = folder.path;
        Problem::at(
            folder.location,
            format!(
                "`{path}/{file}` {what} since this program was built: build it again. If cargo does not, the build script needs `println!(\"cargo::rerun-if-changed={path}\");`"
            ),
        )
    };
    let new = there.difference(&embedded);
    let gone = embedded.difference(&there);
    new.map(|file| problem(file, "was added"))
        .chain(gone.map(|file| problem(file, "was removed")))
        .collect()
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        } else if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), found)?;
        } else if lists(name) {
            found.insert(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// Reports whether the macro lists a file with this path.
pub(super) fn lists(file: &str) -> bool {
    embeds(file) || is_sign(file) || is_program(file)
}

/// Reports whether the macro embeds the text of a file.
pub(super) fn embeds(file: &str) -> bool {
    if file == atlas::SUM {
        return true;
    }
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    EXTENSIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

/// Reports whether the file holds no change, but identifies the tool of its folder.
pub(super) fn is_sign(file: &str) -> bool {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    SIGNS.contains(&name)
}

/// Reports whether the file is a program whose name begins like that of a migration.
pub(super) fn is_program(file: &str) -> bool {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let version = name.strip_prefix(['V', 'U', 'R', 'B']).unwrap_or(name);
    let is_named = version.starts_with(|c: char| c.is_ascii_digit()) || name.starts_with("R__");
    let is_code = PROGRAMS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension));
    is_named && is_code && !name.ends_with("_test.go")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::problem::Location;
    use crate::source::files::Defaults;

    #[test]
    fn new_and_removed_files_are_named() {
        static FOLDER: EmbeddedFolder = EmbeddedFolder::new(
            "changes",
            Location {
                file: "src/main.rs",
                line: 3,
            },
            "app",
            "app",
            Defaults::NONE,
            &[("0001__a.sql", ""), ("0002__b.sql", "")],
            None,
        );
        let folder = std::env::temp_dir().join(format!("flamingock-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["0001__a.sql", "0003__c.SQL", "README.md", "mod.rs"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        let problems = with_disk(&FOLDER, &folder);
        std::fs::remove_dir_all(&folder).unwrap();
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].starts_with(
            "src/main.rs:3: `changes/0003__c.SQL` was added since this program was built"
        ));
        assert!(texts[1].contains("`changes/0002__b.sql` was removed"));
        assert!(with_disk(&FOLDER, &folder).is_empty());
    }
}
