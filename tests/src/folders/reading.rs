//! A folder as its tool reads it, by rules that are short and none of Flamingock's own code.

use std::fs;
use std::path::{Path, PathBuf};

/// What goes up, and what takes it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file's name.
    pub name: String,
    /// What goes up.
    pub up: String,
    /// What takes it back.
    pub down: Option<String>,
}

/// The steps of a folder, in order.
///
/// # Errors
/// Why it is none that is known here.
pub fn read(folder: &Path) -> Result<Vec<Step>, String> {
    let files = files(folder)?;
    let is_there = |name: &str| files.iter().any(|file| name_of(file) == name);
    if is_there("up.sql") {
        return nested(&files);
    }
    let mut steps = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "sql"))
    {
        let name = name_of(file);
        if is_down(&name) {
            continue;
        }
        let text = text(file)?;
        let (up, down) = match halves(&text) {
            Some(halves) => halves,
            None => (text, partner(file, &name)?),
        };
        steps.push((key(&name), Step { name, up, down }));
    }
    if steps.is_empty() {
        return Err("there are no files of SQL in it".to_owned());
    }
    steps.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

/// A folder for each change, as diesel has them, in the order of their names.
fn nested(files: &[PathBuf]) -> Result<Vec<Step>, String> {
    let ups = files.iter().filter(|file| name_of(file) == "up.sql");
    let mut steps = Vec::new();
    for up in ups {
        let down = up.with_file_name("down.sql");
        steps.push(Step {
            name: up.parent().map(name_of).unwrap_or_default(),
            up: text(up)?,
            down: down.exists().then(|| text(&down)).transpose()?,
        });
    }
    steps.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(steps)
}

/// Every file in the folder and below it.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

pub(super) fn text(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

fn is_down(name: &str) -> bool {
    let is_undo = name.starts_with('U') && name[1..].starts_with(|c: char| c.is_ascii_digit());
    is_undo || name.ends_with(".down.sql") || name.ends_with(".rollback.sql")
}

/// The file beside it that takes it back.
fn partner(file: &Path, name: &str) -> Result<Option<String>, String> {
    let candidates = [
        name.strip_suffix(".up.sql")
            .map(|stem| format!("{stem}.down.sql")),
        name.strip_suffix(".sql")
            .map(|stem| format!("{stem}.rollback.sql")),
        name.strip_prefix('V').map(|rest| format!("U{rest}")),
    ];
    for candidate in candidates.into_iter().flatten() {
        let down = file.with_file_name(candidate);
        if down.exists() {
            return text(&down).map(Some);
        }
    }
    Ok(None)
}

/// The halves of a file that has both, as goose and dbmate mark them.
fn halves(text: &str) -> Option<(String, Option<String>)> {
    const MARKS: [(&str, &str); 2] = [
        ("-- +goose Up", "-- +goose Down"),
        ("-- migrate:up", "-- migrate:down"),
    ];
    let lines = || text.lines();
    let at = |mark: &str| lines().position(|line| line.starts_with(mark));
    MARKS.into_iter().find_map(|(up, down)| {
        let up = at(up)?;
        let down = at(down);
        let part = |from: usize, to: usize| -> String {
            lines()
                .skip(from)
                .take(to - from)
                .map(|line| format!("{line}\n"))
                .collect()
        };
        let all = lines().count();
        Some((
            part(up, down.unwrap_or(all)),
            down.map(|down| part(down, all)),
        ))
    })
}

/// What a name is sorted by: repeated files come last, versions count as numbers.
fn key(name: &str) -> (bool, Vec<u64>, String) {
    let is_repeated = name.starts_with("R__");
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let end = digits.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (version, _) = digits.split_at(end.unwrap_or(digits.len()));
    let numbers = version.split('.').filter_map(|number| number.parse().ok());
    let numbers = if is_repeated {
        Vec::new()
    } else {
        numbers.collect()
    };
    (is_repeated, numbers, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_the_order_of_their_versions() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("V10__c.sql", "c"),
            ("V1.9__a.sql", "a"),
            ("V1.10__b.sql", "b"),
            ("R__d.sql", "d"),
            ("U10__c.sql", "not c"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let steps = read(folder.path()).unwrap();
        let ups: Vec<&str> = steps.iter().map(|step| step.up.as_str()).collect();
        assert_eq!(ups, ["a", "b", "c", "d"]);
        assert_eq!(steps[2].down.as_deref(), Some("not c"));
        let folder = tempfile::tempdir().unwrap();
        let text = "-- +goose Up\na;\n-- +goose Down\nb;\n";
        fs::write(folder.path().join("1_a.sql"), text).unwrap();
        let steps = read(folder.path()).unwrap();
        assert_eq!(steps[0].up, "-- +goose Up\na;\n");
        assert_eq!(steps[0].down.as_deref(), Some("-- +goose Down\nb;\n"));
    }
}
