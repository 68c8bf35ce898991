//! A folder as its tool reads it, by short rules that share no code with Flamingock.

use std::fs;
use std::path::{Path, PathBuf};

/// The statements that apply a file, and those that revert it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file's name.
    pub name: String,
    /// The statements that apply it.
    pub up: String,
    /// The statements that revert it.
    pub down: Option<String>,
}

/// The steps of a folder, in order, as the tool of this format reads it.
///
/// # Errors
/// Why the folder is invalid.
pub fn read(folder: &Path, format: Option<&str>) -> Result<Vec<Step>, String> {
    let files = files(folder)?;
    let is_there = |name: &str| files.iter().any(|file| name_of(file) == name);
    if is_there("up.sql") {
        return nested(&files);
    }
    let names: Vec<String> = files.iter().map(|file| name_of(file)).collect();
    let has_sum = is_there("atlas.sum");
    let is_flyway = format == Some("flyway") || names.iter().any(|name| is_lettered(name));
    let mut steps = Vec::new();
    for (file, name) in files.iter().zip(names) {
        let is_sql = Path::new(&name).extension().is_some_and(|ending| {
            ending == "sql" || is_flyway && ending.eq_ignore_ascii_case("sql")
        });
        let is_beside = file.parent() == Some(folder);
        // Of the supported tools, Flyway and refinery read subfolders, and so does Flamingock.
        let is_looked_into = is_beside || is_flyway || name.contains("__");
        let is_named = match is_flyway {
            true => is_lettered(&name),
            false => {
                has_sum || name.starts_with(|c: char| c.is_ascii_digit()) || name.contains("__")
            }
        };
        if !is_sql || !is_looked_into || !is_named || is_down(&name) {
            continue;
        }
        let text = text(file)?;
        let (key, (up, down)) = match halves(&text) {
            Some((Tool::Dbmate, parts)) => (by_name(&name), parts),
            Some((Tool::Goose, parts)) => (key(&name), parts),
            None if has_sum => (by_name(&name), (text, None)),
            None => (key(&name), (text, partner(file, &name)?)),
        };
        steps.push((key, Step { name, up, down }));
    }
    if steps.is_empty() {
        return Err("there are no files of SQL in it".to_owned());
    }
    steps.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

/// The steps in the form that a client needs. MariaDB's needs a delimiter around a statement that
/// contains others: goose sends the text between its annotations as one statement, and other tools
/// send a whole file.
pub(super) fn delimited(mut steps: Vec<Step>, database: &str) -> Vec<Step> {
    let made: fn(&str) -> String = match database {
        "MariaDB" => with_delimiters,
        "PostgreSQL" => in_a_transaction,
        _ => return steps,
    };
    for step in &mut steps {
        step.up = made(&step.up);
        step.down = step.down.as_deref().map(made);
    }
    steps
}

/// Statements that PostgreSQL accepts only in a transaction are in one with the tools, too.
fn in_a_transaction(text: &str) -> String {
    const NEEDS_ONE: [&str; 3] = ["lock table", "savepoint", "declare cursor"];
    let small = text.to_lowercase();
    let has_own = small.lines().any(|line| line.trim().starts_with("begin;"));
    if !has_own && NEEDS_ONE.iter().any(|what| small.contains(what)) {
        return format!("BEGIN;\n{text}\n;\nCOMMIT;\n");
    }
    text.to_owned()
}

fn with_delimiters(text: &str) -> String {
    let small = text.to_lowercase();
    let has_routine = ["procedure", "function", "trigger", "event"]
        .iter()
        .any(|kind| small.contains(kind));
    let has_command = small
        .lines()
        .any(|line| line.trim_start().starts_with("delimiter"));
    let has_marks = text.lines().any(|line| goose_mark(line).is_some());
    if !has_marks && has_routine && small.contains("begin") && !has_command {
        return format!("DELIMITER //whole//\n{text}\n//whole//\n");
    }
    let lines = text.lines().map(|line| match goose_mark(line).as_deref() {
        Some("statementbegin") => "DELIMITER //goose//\n".to_owned(),
        Some("statementend") => "//goose//\nDELIMITER ;\n".to_owned(),
        // A comment for tools, not for the server.
        _ if is_bare_comment(line) => "\n".to_owned(),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// `--x`, which MariaDB's client and Flyway skip.
fn is_bare_comment(line: &str) -> bool {
    let next = line.strip_prefix("--").and_then(|rest| rest.chars().next());
    next.is_some_and(|next| !next.is_whitespace())
}

/// A folder for each change, as diesel has them, in the order of their names.
fn nested(files: &[PathBuf]) -> Result<Vec<Step>, String> {
    let ups = files.iter().filter(|file| name_of(file) == "up.sql");
    let mut steps = Vec::new();
    for up in ups {
        // diesel does not revert by an empty file.
        let down = up.with_file_name("down.sql");
        let is_empty = fs::metadata(&down).is_ok_and(|data| data.len() == 0);
        steps.push(Step {
            name: up.parent().map(name_of).unwrap_or_default(),
            up: text(up)?,
            down: (down.exists() && !is_empty)
                .then(|| text(&down))
                .transpose()?,
        });
    }
    // diesel compares versions, without dashes, as texts.
    steps.sort_by_key(|step| {
        let version = step
            .name
            .split_once('_')
            .map_or(&*step.name, |(version, _)| version);
        version.replace('-', "")
    });
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
            if name_of(&path).starts_with('.') {
                continue;
            }
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

/// The file next to it that reverts it.
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

/// The tools that have both directions in one file.
enum Tool {
    Goose,
    Dbmate,
}

/// The statements that apply a file, and those that revert it.
type Halves = (String, Option<String>);

/// The directions of a file that has both, as goose and dbmate mark them.
fn halves(text: &str) -> Option<(Tool, Halves)> {
    let mark = |line: &str| {
        let dbmate = line.strip_prefix("--").map(str::trim_start);
        match dbmate.and_then(|mark| mark.split_whitespace().next()) {
            Some("migrate:up") => Some((Tool::Dbmate, true)),
            Some("migrate:down") => Some((Tool::Dbmate, false)),
            _ => match goose_mark(line).as_deref() {
                Some("up") => Some((Tool::Goose, true)),
                Some("down") => Some((Tool::Goose, false)),
                _ => None,
            },
        }
    };
    let (mut up, mut down) = (String::new(), None);
    let mut found = None;
    for line in text.lines() {
        if let Some((tool, is_up)) = mark(line) {
            found = Some((tool, is_up));
        }
        match &found {
            None => {}
            Some((_, true)) => up.extend([line, "\n"]),
            Some((_, false)) => down.get_or_insert_with(String::new).extend([line, "\n"]),
        }
    }
    found.map(|(tool, _)| (tool, (up, down)))
}

/// The goose annotation in a line, in lower case.
fn goose_mark(line: &str) -> Option<String> {
    let comment = line.trim().strip_prefix("--")?.trim_start();
    let mark = comment.strip_prefix("+goose")?.trim();
    Some(mark.to_lowercase())
}

/// The sort key of a name: repeatable files come last, versions count as numbers.
fn key(name: &str) -> (bool, Vec<u64>, String) {
    let is_repeated = name.starts_with("R__");
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let version = digits.split("__").next().unwrap_or_default();
    let is_digit = |c: char| c.is_ascii_digit();
    let is_version = |c: char| is_digit(c) || c == '.' || is_lettered(name) && c == '_';
    let end = version.find(|c: char| !is_version(c));
    let (version, _) = version.split_at(end.unwrap_or(version.len()));
    let mut numbers: Vec<u64> = version
        .split(['.', '_'])
        .filter_map(|number| number.parse().ok())
        .collect();
    while numbers.len() > 1 && numbers.last() == Some(&0) {
        numbers.pop();
    }
    if is_repeated {
        numbers.clear();
    }
    (is_repeated, numbers, name.to_owned())
}

/// The same for tools that sort by the file names.
fn by_name(name: &str) -> (bool, Vec<u64>, String) {
    (false, Vec::new(), name.to_owned())
}

/// `V1__a.sql`, `V2.sql`, `U1__a.sql`, `R__a.sql`
fn is_lettered(name: &str) -> bool {
    let rest = name.strip_prefix(['V', 'U']);
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || name.starts_with("R__")
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
        let steps = read(folder.path(), None).unwrap();
        let ups: Vec<&str> = steps.iter().map(|step| step.up.as_str()).collect();
        assert_eq!(ups, ["a", "b", "c", "d"]);
        assert_eq!(steps[2].down.as_deref(), Some("not c"));
        let folder = tempfile::tempdir().unwrap();
        let text = "-- +goose Up\na;\n-- +goose Down\nb;\n";
        fs::write(folder.path().join("1_a.sql"), text).unwrap();
        let steps = read(folder.path(), None).unwrap();
        assert_eq!(steps[0].up, "-- +goose Up\na;\n");
        assert_eq!(steps[0].down.as_deref(), Some("-- +goose Down\nb;\n"));
    }
}
