//! What the command creates, determined before anything is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::arguments::New;
use super::edit::{Edit, could_not, with_module};
use super::known::{Known, known_to_the_program, of_files, of_manifest};
use super::order;
use super::text::NewChange;
use crate::change::names::{self, DEFAULT};
use crate::change::order::{compare, problem as problem_of_order};
use crate::cli::failure::Failure;
use crate::cli::view::View;
use crate::engine::collect::open_storage;
use crate::plan::manifest;
use crate::runner::builder::Runner;
use crate::source::files::EmbeddedFolder;
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

fn next_order(new: &New, stage: &str, known: &[Known]) -> Result<String, Failure> {
    let of_stage = || known.iter().filter(|known| known.stage == stage);
    let refused = |message: String| Failure::refused("usage", message);
    let Some(order) = &new.order else {
        // That of a Flyway repeatable file is its name.
        let is_numbered =
            |known: &&Known| !known.repeats || known.order.ends_with(|c: char| c.is_ascii_digit());
        let orders = of_stage()
            .filter(is_numbered)
            .map(|known| known.order.as_str());
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
