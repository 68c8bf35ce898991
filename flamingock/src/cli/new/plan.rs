//! What the command creates, determined before anything is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::text::NewChange;
use super::{New, attribute, could_not, order};
use crate::change::names::{self, DEFAULT};
use crate::change::order::{compare, problem as problem_of_order};
use crate::cli::failure::Failure;
use crate::cli::view::View;
use crate::engine::collect::open_storage;
use crate::plan::manifest;
use crate::plan::pipeline::Pipeline;
use crate::runner::builder::Runner;
use crate::source::files::EmbeddedFolder;
use crate::source::files::listing::changes_of_folder;
use crate::source::registry::FLAMINGOCK_FOLDERS_0_1;
use crate::util::database_kind::DatabaseKind;
use crate::util::visible::{Visible, visible};

/// The manifest that documentation and examples use.
pub(in crate::cli) const MANIFEST: &str = "changes.lock";
/// The folders that documentation and examples use.
const SQL_FOLDER: &str = "changes";
const CODE_FOLDER: &str = "src/changes";

/// Everything that the command writes.
pub(super) struct Planned {
    pub(super) change: NewChange,
    pub(super) stage: String,
    pub(super) files: Vec<(PathBuf, String)>,
    pub(super) edits: Vec<Edit>,
    /// The next step of the user.
    pub(super) next: String,
}

/// A line that is added to an existing file.
pub(super) struct Edit {
    pub(super) file: PathBuf,
    pub(super) what: String,
    before: String,
    after: String,
}

impl Edit {
    pub(super) fn write(&self) -> Result<(), Failure> {
        fs::write(&self.file, &self.after).map_err(|error| could_not("write", &self.file, &error))
    }

    /// Undoes [`write`](Self::write).
    pub(super) fn restore(&self) {
        let _ = fs::write(&self.file, &self.before);
    }
}

/// A change that exists already.
struct Known {
    id: String,
    order: String,
    stage: String,
    place: String,
}

impl Planned {
    pub(super) fn make(runner: &Runner, new: &New, view: &View) -> Result<Planned, Failure> {
        let words = words(&new.title)?;
        let embedded = if new.sql { embedded(runner) } else { None };
        let folder = folder(new, embedded)?;
        let of_folder = embedded.and_then(EmbeddedFolder::stage).unwrap_or(DEFAULT);
        let stage = new.stage.clone().unwrap_or_else(|| of_folder.to_owned());
        for (what, name) in [("stage", Some(&stage)), ("target", new.target.as_ref())] {
            let problem = name.and_then(|name| names::problem_in_manifest(what, name));
            if let Some(problem) = problem.or_else(|| in_a_head(new.sql, what, name)) {
                return Err(Failure::refused("usage", problem));
            }
        }
        let manifest = manifest_file(new)?;
        let mut known = known_to_the_program(runner, view);
        known.extend(
            manifest
                .iter()
                .flat_map(|(file, text)| of_manifest(file, text)),
        );
        known.extend(of_files(&folder, new.sql, of_folder)?);
        // The other kind of changes shares the order. A folder of another tool is not its place.
        let other = Path::new(if new.sql { CODE_FOLDER } else { SQL_FOLDER });
        known.extend(of_files(other, !new.sql, DEFAULT).unwrap_or_default());

        let id = words.join(if new.sql { "_" } else { "-" });
        if let Some(same) = known.iter().find(|known| known.id == id) {
            return Err(Failure::refused(
                "usage",
                format!(
                    "the change {id:?} exists already, at {}: use another title",
                    same.place
                ),
            ));
        }
        let change = NewChange {
            title: new.title.trim().to_owned(),
            id,
            order: next_order(new, &stage, &known)?,
            stage: new.stage.clone(),
            target: new.target.clone(),
            database: database(runner, new.target.as_deref()),
            words,
        };
        let mut planned = Planned {
            files: Vec::new(),
            edits: Vec::new(),
            next: String::new(),
            stage,
            change,
        };
        if new.sql {
            planned.add_sql(&folder);
        } else {
            planned.add_code(&folder)?;
        }
        if let Some((file, text)) = manifest {
            let line = planned.change.manifest_line(&planned.stage, new.sql);
            planned.edits.push(Edit {
                after: manifest::with_line(&text, &line),
                before: text,
                what: "added a line to".to_owned(),
                file,
            });
            planned.next.push_str(
                ". Once it is written, write the manifest anew: its digest is known then",
            );
        }
        if let Some((file, _)) = planned.files.iter().find(|(file, _)| file.exists()) {
            let shown = Visible(file.display());
            return Err(Failure::refused(
                "usage",
                format!("{shown} exists already, and is left as it is: use another title"),
            ));
        }
        Ok(planned)
    }

    fn add_sql(&mut self, folder: &Path) {
        let stem = format!("{}__{}", self.change.order, self.change.id);
        self.files = vec![
            (folder.join(format!("{stem}.sql")), self.change.sql()),
            (
                folder.join(format!("{stem}.rollback.sql")),
                NewChange::sql_rollback(),
            ),
        ];
        "next: write both files; until then the change fails".clone_into(&mut self.next);
    }

    fn add_code(&mut self, folder: &Path) -> Result<(), Failure> {
        let module = self.change.module();
        let file = folder.join(format!("{module}.rs"));
        let text = self.change.rust();
        self.files = vec![(file, text)];
        "next: write both functions; until then the change fails".clone_into(&mut self.next);
        let line = format!("mod {module};");
        let parents = [
            folder.join("mod.rs"),
            folder.with_extension("rs"),
            folder.join("lib.rs"),
            folder.join("main.rs"),
        ];
        let Some(parent) = parents.into_iter().find(|file| file.exists()) else {
            self.files
                .push((folder.join("mod.rs"), format!("{line}\n")));
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            self.next.push_str(&format!(
                ". Add `mod {};` to the file of the crate, src/main.rs or src/lib.rs",
                visible(&name)
            ));
            return Ok(());
        };
        let before =
            fs::read_to_string(&parent).map_err(|error| could_not("read", &parent, &error))?;
        self.edits.push(Edit {
            after: with_module(&before, &line),
            before,
            what: format!("added `{line}` to"),
            file: parent,
        });
        Ok(())
    }
}

/// Returns the words of a title: letters and digits of ASCII, as file and module names need them.
fn words(title: &str) -> Result<Vec<String>, Failure> {
    let words: Vec<String> = title
        .split(|one: char| !one.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let id = words.join("_");
    let problem = if words.is_empty() {
        Some("the title has no letter or digit of ASCII, from which the file is named: use words as in \"create orders\"".to_owned())
    } else if title.chars().any(char::is_control) {
        Some("the title has a control character: use one line of text".to_owned())
    } else {
        names::problem("id", &id)
    };
    match problem {
        Some(problem) => Err(Failure::refused("usage", problem)),
        None => Ok(words),
    }
}

/// Returns the problem with a name that the head of an SQL file cannot contain.
fn in_a_head(is_sql: bool, what: &str, name: Option<&String>) -> Option<String> {
    let name = name.filter(|name| is_sql && name.contains([',', '"', '\'']))?;
    Some(format!(
        "{what} {name:?}: the head of an SQL file cannot name it: use a name without comma and quote"
    ))
}

/// Returns the one folder that the program embeds.
fn embedded(runner: &Runner) -> Option<&'static EmbeddedFolder> {
    let folders = &runner.settings.folders;
    let folders = match folders.is_empty() && runner.settings.changes.is_none() {
        true => &FLAMINGOCK_FOLDERS_0_1[..],
        false => folders,
    };
    match folders {
        [one] => Some(one),
        _ => None,
    }
}

fn folder(new: &New, embedded: Option<&EmbeddedFolder>) -> Result<PathBuf, Failure> {
    if let Some(dir) = &new.dir {
        return Ok(dir.clone());
    }
    let default = match embedded {
        Some(embedded) => embedded.path(),
        None if new.sql => SQL_FOLDER,
        None => CODE_FOLDER,
    };
    let default = PathBuf::from(default);
    if default.is_dir() || Path::new("Cargo.toml").exists() {
        return Ok(default);
    }
    Err(Failure::refused(
        "usage",
        format!(
            "there is no Cargo.toml here, and no folder {}: run the command in the folder of the package, or name the folder of the change with --dir",
            Visible(default.display())
        ),
    ))
}

/// Returns the manifest and its text.
fn manifest_file(new: &New) -> Result<Option<(PathBuf, String)>, Failure> {
    let file = match &new.manifest {
        Some(file) => file.clone(),
        None if Path::new(MANIFEST).exists() => PathBuf::from(MANIFEST),
        None => return Ok(None),
    };
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some((file, text))),
        Err(error) => Err(could_not("read", &file, &error)),
    }
}

/// Returns the changes of the program. Problems with its pipeline are those of the next run, and no
/// reason to refuse a new file: the first change is created in a program without any.
fn known_to_the_program(runner: &Runner, view: &View) -> Vec<Known> {
    let pipeline = view.source.pipeline(&runner.settings, &[]);
    of_pipeline(&pipeline.unwrap_or_default())
}

fn of_pipeline(pipeline: &Pipeline) -> Vec<Known> {
    let changes = pipeline.changes();
    changes
        .map(|change| Known {
            id: change.id.to_owned(),
            order: change.order.to_owned(),
            stage: change.stage.to_owned(),
            place: Visible(change.location()).to_string(),
        })
        .collect()
}

fn of_manifest(file: &Path, text: &str) -> Vec<Known> {
    let lines = (1..).zip(text.lines());
    let known = lines.filter_map(|(number, line)| {
        let line = manifest::Line::parse(number, line.trim())?;
        Some(Known {
            id: line.id,
            order: line.order,
            stage: line.stage,
            place: format!("{}:{number}", Visible(file.display())),
        })
    });
    known.collect()
}

/// Returns the changes in the files of a folder, which may not be compiled yet.
fn of_files(folder: &Path, is_sql: bool, of_folder: &str) -> Result<Vec<Known>, Failure> {
    let mut files = Vec::new();
    if folder.is_dir() {
        read_folder(folder, "", &mut files).map_err(|error| could_not("read", folder, &error))?;
    }
    let shown = |file: &str| Visible(folder.join(file).display()).to_string();
    if is_sql {
        let changes = changes_of_folder(&files).map_err(|message| {
            let folder = Visible(folder.display());
            Failure::refused("usage", format!("{folder}: {}", visible(&message)))
        })?;
        let known = changes.into_iter().map(|change| Known {
            place: Visible(folder.display()).to_string(),
            id: change.id,
            order: change.order,
            stage: change.stage.unwrap_or_else(|| of_folder.to_owned()),
        });
        return Ok(known.collect());
    }
    let code = files.iter().filter(|(file, _)| file.ends_with(".rs"));
    let known = code.flat_map(|(file, text)| {
        attribute::read(text).into_iter().map(|change| Known {
            id: change.id,
            order: change.order,
            stage: change.stage,
            place: shown(file),
        })
    });
    Ok(known.collect())
}

/// Reads the texts of a folder and its subfolders, by their paths relative to it.
fn read_folder(
    folder: &Path,
    before: &str,
    files: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{before}{name}");
        if entry.path().is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push((path, text));
        }
    }
    Ok(())
}

fn next_order(new: &New, stage: &str, known: &[Known]) -> Result<String, Failure> {
    let of_stage = || known.iter().filter(|known| known.stage == stage);
    let refused = |message: String| Failure::refused("usage", message);
    let Some(order) = &new.order else {
        let orders = of_stage().map(|known| known.order.as_str());
        return order::next(orders, SystemTime::now()).map_err(refused);
    };
    if let Some(problem) = problem_of_order(order) {
        return Err(refused(problem));
    }
    if new.sql && order.contains("__") {
        return Err(refused(format!(
            "order {order:?} has `__`, which ends the order in the name of a file: use another separator"
        )));
    }
    match of_stage().find(|known| compare(&known.order, order).is_eq()) {
        Some(same) => Err(refused(format!(
            "the order {order:?} is that of {:?}, at {}: use another one",
            same.id, same.place
        ))),
        None => Ok(order.clone()),
    }
}

/// Returns the database of a target system. `None` for a target that is none, or that the program
/// does not know.
fn database(runner: &Runner, target: Option<&str>) -> Option<DatabaseKind> {
    let storage = open_storage(&runner.settings).ok()?;
    let targets = runner.settings.targets.iter().chain([&storage.target]);
    let name = target.unwrap_or(DEFAULT);
    let target = targets.into_iter().find(|target| target.name == name)?;
    Some(target.database.as_ref()?.kind())
}

/// Adds a `mod` line after the others, or after the comments and attributes of the file.
fn with_module(text: &str, line: &str) -> String {
    let is_module = |one: &str| {
        let one = one.strip_prefix("pub(crate) ").unwrap_or(one);
        let one = one.strip_prefix("pub ").unwrap_or(one);
        one.starts_with("mod ") && one.trim_end().ends_with(';')
    };
    let is_head = |one: &str| one.starts_with("//!") || one.starts_with("#![");
    let lines: Vec<&str> = text.lines().collect();
    let modules = lines.iter().rposition(|one| is_module(one));
    let head = lines.iter().rposition(|one| is_head(one));
    let (at, added) = match (modules, head) {
        (Some(last), _) => (last + 1, vec![line]),
        (None, Some(last)) => (last + 1, vec!["", line]),
        (None, None) if lines.is_empty() => (0, vec![line]),
        (None, None) => (0, vec![line, ""]),
    };
    let (before, after) = lines.split_at(at);
    let lines: Vec<&str> = before
        .iter()
        .copied()
        .chain(added)
        .chain(after.iter().copied())
        .collect();
    format!("{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mod_line_follows_the_others() {
        for (text, expected) in [
            ("", "mod x;\n"),
            (
                "mod a;\npub mod b;\n\nfn c() {}\n",
                "mod a;\npub mod b;\nmod x;\n\nfn c() {}\n",
            ),
            (
                "//! Changes.\n\nfn c() {}\n",
                "//! Changes.\n\nmod x;\n\nfn c() {}\n",
            ),
            ("fn c() {}\n", "mod x;\n\nfn c() {}\n"),
            ("mod tests {\n}\n", "mod x;\n\nmod tests {\n}\n"),
        ] {
            assert_eq!(with_module(text, "mod x;"), expected, "{text}");
        }
    }
}
