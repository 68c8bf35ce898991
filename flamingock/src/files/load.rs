//! From files to definitions. All mistakes of a folder are reported together.

mod declared;
mod definition;

use std::collections::BTreeMap;

pub(super) use self::definition::Read;
use super::folder::EmbeddedFolder;
use super::format::Format;
use super::goose::Part;
use super::header::{Header, Mistake};
use super::name::{self, Kind, Name, Role};
use super::sql::SqlFile;
use super::templates::Templates;
use super::{compare, digest, goose, marks, metadata};
use crate::argument::Need;
use crate::change::{Body, Code, Definition, Location};
use crate::pipeline::Problem;
use crate::script::Script;

/// The files of one change.
#[derive(Default)]
struct Files {
    apply: Option<File>,
    rollback: Option<File>,
    settings: Option<File>,
}

/// A file with what its name says.
struct File {
    name: Name,
    /// From the package.
    path: &'static str,
    text: &'static str,
}

/// What is wrong so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn at(&mut self, path: &'static str, line: u32, message: impl Into<String>) {
        self.0
            .push(Problem::at(Location { file: path, line }, message));
    }

    /// What was read, unless there is a mistake.
    fn take<T>(&mut self, path: &'static str, read: Result<T, Mistake>) -> Option<T> {
        read.map_err(|(line, message)| self.at(path, line, message))
            .ok()
    }
}

/// The changes of a folder, in the order of their files.
pub(super) fn definitions(
    folder: &EmbeddedFolder,
    templates: &Templates,
) -> Result<Vec<&'static Definition>, Vec<Problem>> {
    let mut problems = Problems::default();
    let path = |file: &str| leak(format!("{}/{file}", folder.path));
    let said = folder.defaults.format;
    let format = match said
        .and_then(Format::named)
        .map_or_else(|| Format::find(folder.files), Ok)
    {
        Ok(format) => format,
        Err((index, message)) => {
            problems.at(path(folder.files[index].0), 1, message);
            return Err(problems.0);
        }
    };
    let mut changes: BTreeMap<String, Files> = BTreeMap::new();
    let shortest = shortest_version(format, folder.files);
    let mut is_first_misnamed = true;
    for (file, text) in folder.files {
        let path = path(file);
        if compare::is_program(file) {
            problems.at(path, 1, IN_ANOTHER_LANGUAGE);
            continue;
        }
        let Some(mut name) = name::read(format, file) else {
            // A folder of a naming that is not known is one mistake, and not one a file.
            if let Some(message) = misnamed(folder, format, file, is_first_misnamed) {
                problems.at(path, 1, message);
            }
            is_first_misnamed = false;
            continue;
        };
        if format == Format::Diesel {
            name.order = name::diesel_order(&name.order, shortest);
        }
        let files = changes.entry(name.key.clone()).or_default();
        let place = match name.role {
            Role::Apply | Role::Both => &mut files.apply,
            Role::Rollback => &mut files.rollback,
            Role::Settings => &mut files.settings,
        };
        match place {
            Some(other) => {
                let message = format!(
                    "it is for the same change as {}: keep one of them",
                    other.path
                );
                problems.at(path, 1, message);
            }
            None => *place = Some(File { name, path, text }),
        }
    }
    let reader = Reader {
        folder,
        format,
        said: said.is_some(),
        templates,
    };
    let mut definitions = Vec::new();
    for files in changes.into_values() {
        definitions.extend(reader.definition(&files, &mut problems));
    }
    if problems.0.is_empty() {
        Ok(definitions)
    } else {
        Err(problems.0)
    }
}

const IN_ANOTHER_LANGUAGE: &str = "it is a migration in another language, which would be passed over: write it as a `#[change]` function with the same place in the order, and move the file out of the folder";

/// The length of the shortest version, where versions are compared as texts.
fn shortest_version(format: Format, files: &[(&'static str, &'static str)]) -> usize {
    let names = files.iter().filter_map(|(file, _)| match format {
        Format::Diesel => name::read(format, file),
        Format::Own | Format::Sqlx | Format::Refinery | Format::Goose | Format::Flyway => None,
    });
    names.map(|name| name.order.len()).min().unwrap_or_default()
}

/// What is wrong with the name of a file. None: it was said of another file of the folder.
fn misnamed(folder: &EmbeddedFolder, format: Format, file: &str, is_first: bool) -> Option<String> {
    let said = folder.defaults.format.is_some();
    let all = || {
        let files = folder.files.iter();
        files.filter(|(file, _)| !compare::is_program(file))
    };
    let fits = all().any(|(file, _)| name::read(format, file).is_some());
    match (fits, is_first) {
        (true, _) => Some(misnamed_one(format, file, said)),
        (false, true) => Some(misnamed_all(format, all().count(), said)),
        (false, false) => None,
    }
}

/// No file of the folder is named as the format says.
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

/// Reads the files of one folder.
struct Reader<'a> {
    folder: &'a EmbeddedFolder,
    format: Format,
    /// Whether the format was said, and not found out.
    said: bool,
    /// What a declared change can name.
    templates: &'a Templates,
}

impl Reader<'_> {
    fn definition(&self, files: &Files, problems: &mut Problems) -> Option<&'static Definition> {
        let Some(file) = &files.apply else {
            for other in [&files.rollback, &files.settings].into_iter().flatten() {
                let missing = "there is no change that it belongs to: its own file is not there";
                problems.at(other.path, 1, missing);
            }
            return None;
        };
        let before = problems.0.len();
        let read = match file.name.kind {
            Kind::Sql => self.sql(file, files, problems),
            Kind::Yaml | Kind::Toml => self.declared(file, files.rollback.as_ref(), problems),
        };
        let read = read.filter(|_| problems.0.len() == before)?;
        Some(Box::leak(Box::new(self.defined(&file.name, read))))
    }

    fn sql(&self, file: &File, files: &Files, problems: &mut Problems) -> Option<Read> {
        let (header, mistakes) = Header::read(file.text);
        for (line, message) in mistakes {
            problems.at(file.path, line, message);
        }
        let marked = self.transaction(file, files.settings.as_ref(), problems);
        let (up, down) = self.parts(file, problems)?;
        if self.format == Format::Diesel && up.text.is_empty() {
            problems.at(file.path, 1, "it is empty, which diesel refuses as well");
        }
        self.check_marks(file, problems);
        self.check_placeholders(file, problems);
        let transaction = header
            .transaction
            .or(marked)
            .or(self.folder.defaults.transaction)
            .unwrap_or(true);
        let rollback = match (&files.rollback, down) {
            (Some(rollback), _) => self.rollback(rollback, transaction, problems),
            (None, Some(part)) => Some(body(self.format, file.path, part, part.line, transaction)),
            (None, None) => None,
        };
        Some(Read {
            digest: digest::of(up.text),
            body: body(self.format, file.path, up, header.line, transaction),
            rollback,
            verify: None,
            header,
        })
    }

    /// What the tool's own marks say about the transaction.
    fn transaction(
        &self,
        file: &File,
        settings: Option<&File>,
        problems: &mut Problems,
    ) -> Option<bool> {
        match self.format {
            Format::Sqlx => without_transaction(file.text),
            Format::Goose => {
                let parts = goose::parts(file.text).ok()?;
                (!parts.transaction).then_some(false)
            }
            Format::Diesel | Format::Flyway => {
                let settings = settings?;
                problems.take(
                    settings.path,
                    metadata::transaction(self.format, settings.text),
                )?
            }
            Format::Own | Format::Refinery => None,
        }
    }

    /// What is run, and what takes it back if that stands in the same file.
    fn parts(
        &self,
        file: &File,
        problems: &mut Problems,
    ) -> Option<(Part<'static>, Option<Part<'static>>)> {
        if self.format != Format::Goose {
            return Some((whole(file.text), None));
        }
        let parts = problems.take(file.path, goose::parts(file.text))?;
        Some((parts.up, parts.down))
    }

    fn rollback(
        &self,
        file: &File,
        transaction: bool,
        problems: &mut Problems,
    ) -> Option<Body<()>> {
        if file.name.kind != Kind::Sql {
            let rule = "the rollback of a file of SQL is SQL as well: name it `.rollback.sql`";
            problems.at(file.path, 1, rule);
            return None;
        }
        let (header, mistakes) = Header::read(file.text);
        for (line, message) in mistakes {
            problems.at(file.path, line, message);
        }
        if !header.only_transaction() {
            let rule = "a rollback knows the key `transaction` alone: the others stand in the change's own file";
            problems.at(file.path, header.line, rule);
        }
        self.check_marks(file, problems);
        self.check_placeholders(file, problems);
        if self.format == Format::Diesel && file.text.is_empty() {
            // diesel refuses to revert by an empty file.
            return None;
        }
        let marked = match self.format {
            Format::Sqlx => without_transaction(file.text),
            _ => None,
        };
        let transaction = header.transaction.or(marked).unwrap_or(transaction);
        Some(body(
            self.format,
            file.path,
            whole(file.text),
            header.line,
            transaction,
        ))
    }

    /// A mark of another tool would make both halves of the file run.
    fn check_marks(&self, file: &File, problems: &mut Problems) {
        if let Some((line, message)) = marks::find_foreign(self.format, file.text) {
            problems.at(file.path, line, message);
        }
    }

    /// Flyway puts values in the place of `${..}`, and would refuse a name that it does not know.
    fn check_placeholders(&self, file: &File, problems: &mut Problems) {
        let may_be_flyway = match self.format {
            Format::Flyway => true,
            Format::Refinery => !self.said,
            Format::Own | Format::Sqlx | Format::Diesel | Format::Goose => false,
        };
        if !may_be_flyway {
            return;
        }
        let found = (1..)
            .zip(file.text.lines())
            .find(|(_, line)| line.contains("${"));
        if let Some((line, _)) = found {
            let (message, refinery) = (
                "`${..}` is a placeholder of Flyway: nothing is put in its place here, and the text would be run as it is. Write the value",
                "; or, if this is no placeholder, say `include_files!(\"..\", format = \"refinery\")`",
            );
            let more = if self.format == Format::Refinery {
                refinery
            } else {
                ""
            };
            problems.at(file.path, line, format!("{message}{more}"));
        }
    }
}

/// The mark of sqlx: the file begins with it.
fn without_transaction(text: &str) -> Option<bool> {
    text.starts_with("-- no-transaction").then_some(false)
}

/// Databases do not know what a byte-order mark is.
fn whole(text: &'static str) -> Part<'static> {
    Part {
        line: 1,
        text: text.strip_prefix('\u{feff}').unwrap_or(text),
    }
}

fn body(
    format: Format,
    path: &'static str,
    part: Part<'static>,
    line: u32,
    transaction: bool,
) -> Body<()> {
    let file = SqlFile {
        script: Script {
            file: path,
            line: part.line,
            text: part.text,
            has_blocks: format == Format::Goose,
        },
        transaction,
        undo_only: format != Format::Own,
    };
    Body {
        name: path,
        location: Location { file: path, line },
        needs: &[Need::ANY_CONNECTION],
        transaction,
        code: Code::Read(Box::leak(Box::new(file))),
    }
}

/// Definitions live as long as the process, as those of code do.
fn leak(text: String) -> &'static str {
    text.leak()
}

#[cfg(test)]
mod tests;
