//! Loading the changes of a folder. All mistakes of a folder are reported together.

mod declared;
mod definition;

use std::collections::BTreeMap;

use super::folder::EmbeddedFolder;
use super::format::{self, Format};
use super::goose::Part;
use super::header::Header;
use super::mistake::Mistake;
use super::name;
use super::role::{Kind, Name, Role};
use super::sql::SqlFile;
use super::templates::{Decided, Templates};
use super::{
    alone, atlas, compare, dbmate, digest, foreign, golang, goose, marks, metadata, passed,
};
use crate::change::argument::Need;
use crate::change::body::{Body, Code};
use crate::change::definition::Definition;
use crate::change::problem::Location;
use crate::change::problem::Problem;
use crate::change::script::Script;
pub(super) use crate::source::files::load::read_change::Read;
use crate::util::plural::plural;

/// The files of one change.
#[derive(Default)]
struct Files {
    apply: Option<File>,
    rollback: Option<File>,
    settings: Option<File>,
}

/// A file, and the meaning of its name.
#[derive(Clone)]
struct File {
    name: Name,
    /// The path, relative to the package.
    path: &'static str,
    text: &'static str,
}

/// The problems found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn at(&mut self, path: &'static str, line: u32, message: impl Into<String>) {
        self.0
            .push(Problem::at(Location { file: path, line }, message));
    }

    /// Records a mistake, or returns what was read.
    fn take<T>(&mut self, path: &'static str, read: Result<T, Mistake>) -> Option<T> {
        read.map_err(|(line, message)| self.at(path, line, message))
            .ok()
    }
}

/// Returns the changes of a folder, in the order of their files.
pub(super) fn definitions(
    folder: &EmbeddedFolder,
    templates: &Templates,
) -> Result<Vec<&'static Definition>, Vec<Problem>> {
    let mut problems = Problems::default();
    let path = |file: &str| leak(format!("{}/{file}", folder.path));
    let said = said(folder, &templates.formats);
    let format = match said.map_or_else(|| Format::find(folder.files), Ok) {
        Ok(format) => format,
        Err((index, message)) => {
            problems.at(path(folder.files[index].0), 1, message);
            return Err(problems.0);
        }
    };
    // A folder with a declared format is trusted to have it.
    if said.is_none()
        && let Some((index, message)) = foreign::folder(folder.files)
    {
        problems.at(path(folder.files[index].0), 1, message);
        return Err(problems.0);
    }
    // Without the feature there is no database to run it.
    #[cfg(feature = "_sqlx")]
    if format == Format::Atlas
        && let Err(misfit) = super::atlas_sum::check(folder.files)
    {
        problems.at(path(&misfit.file), misfit.line, misfit.message);
    }
    let mut changes: BTreeMap<String, Files> = BTreeMap::new();
    let (shortest, longest) = lengths(format, folder.files);
    let mut is_first_misnamed = true;
    for (file, text) in folder.files {
        let path = path(file);
        // The file only identifies the tool of the folder.
        if compare::is_sign(file) {
            continue;
        }
        if compare::is_program(file) {
            problems.at(path, 1, IN_ANOTHER_LANGUAGE);
            continue;
        }
        let Some(mut name) = name::read(format, file) else {
            // Its marks are more specific than its name.
            if let Some((line, message)) = marks::find_foreign(format, text) {
                problems.at(path, line, message);
                continue;
            }
            if is_passed_over(folder, format, said.is_some(), file) {
                continue;
            }
            // An unknown naming scheme is one mistake for the folder, and not one for each file.
            if let Some(message) = misnamed(folder, format, file, is_first_misnamed) {
                problems.at(path, 1, message);
            }
            is_first_misnamed = false;
            continue;
        };
        match format {
            Format::Diesel => name.order = name::text_order(&name.order, shortest),
            Format::Dbmate | Format::Atlas => {
                name.order = name::file_order(&name, shortest, longest);
            }
            Format::Own
            | Format::Sqlx
            | Format::Refinery
            | Format::Goose
            | Format::Flyway
            | Format::GolangMigrate => {}
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

/// Reports whether the tool ignores a file of the folder. Folders of unknown tools look like
/// sqlx's, so a folder of sqlx must be declared.
fn is_passed_over(folder: &EmbeddedFolder, format: Format, is_said: bool, file: &str) -> bool {
    let is_certain = is_said || format != Format::Sqlx;
    is_certain
        && name::read(format, file).is_none()
        && passed::over(format, file)
        && has_one_of(format, folder)
}

/// Returns the warning about files that the tool of a folder ignores, and that a run ignores too.
pub(super) fn passed_over(folder: &EmbeddedFolder, formats: &[Decided]) -> Option<String> {
    const SHOWN: usize = 5;
    let said = said(folder, formats);
    let format = said.map_or_else(|| Format::find(folder.files), Ok).ok()?;
    let is_of_tool = |file: &str| !compare::is_sign(file) && !compare::is_program(file);
    let files = folder.files.iter().map(|(file, _)| *file);
    let passed: Vec<String> = files
        .filter(|file| is_of_tool(file) && is_passed_over(folder, format, said.is_some(), file))
        .map(|file| format!("{}/{file}", folder.path))
        .collect();
    let (shown, others) = passed.split_at(passed.len().min(SHOWN));
    let more = match others.len() {
        0 => String::new(),
        count => format!(" and {}", plural(count, "other file")),
    };
    (!passed.is_empty()).then(|| {
        format!(
            "{}{more} passed over: not named with {}, and left out by that tool, too",
            shown.join(", "),
            format.words()
        )
    })
}

/// Returns the format that is declared, or that a history has determined.
fn said(folder: &EmbeddedFolder, formats: &[Decided]) -> Option<Format> {
    let mut found_out = formats.iter();
    let found_out = found_out.find(|(address, _)| *address == folder.address());
    let found_out = found_out.map(|(_, format)| *format);
    folder.defaults.format.or(found_out).and_then(Format::named)
}

/// Reports whether the names of a folder fit both sqlx and golang-migrate.
pub(super) fn fits_two(files: &[(&'static str, &'static str)]) -> bool {
    Format::find(files).is_ok_and(|format| format::fits_two(format, files))
}

const IN_ANOTHER_LANGUAGE: &str = "it is a migration in another language, which would be passed over: write it as a `#[change]` function with the same place in the order, and move the file out of the folder";

/// Returns the lengths of the shortest and the longest version, if versions are compared as text.
fn lengths(format: Format, files: &[(&'static str, &'static str)]) -> (usize, usize) {
    let names = files.iter().filter_map(|(file, _)| match format {
        Format::Diesel | Format::Dbmate | Format::Atlas => name::read(format, file),
        Format::Own
        | Format::Sqlx
        | Format::Refinery
        | Format::Goose
        | Format::Flyway
        | Format::GolangMigrate => None,
    });
    let lengths: Vec<usize> = names.map(|name| name.order.len()).collect();
    let of = |length: Option<&usize>| length.copied().unwrap_or_default();
    (of(lengths.iter().min()), of(lengths.iter().max()))
}

/// Reports whether any file of the folder has a name in this format.
fn has_one_of(format: Format, folder: &EmbeddedFolder) -> bool {
    let mut files = folder.files.iter();
    files.any(|(file, _)| name::read(format, file).is_some())
}

/// Returns the mistake in the name of a file; `None` if another file of the folder has the same one
/// already.
fn misnamed(folder: &EmbeddedFolder, format: Format, file: &str, is_first: bool) -> Option<String> {
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

/// Reads the files of one folder.
struct Reader<'a> {
    folder: &'a EmbeddedFolder,
    format: Format,
    /// Whether the format is declared, and not detected.
    said: bool,
    /// The templates that a declared change can name.
    templates: &'a Templates,
}

impl Reader<'_> {
    fn definition(&self, files: &Files, problems: &mut Problems) -> Option<&'static Definition> {
        let Some(file) = &files.apply else {
            if let (Some(down), None) = (&files.rollback, &files.settings)
                && self.format.has_downs_alone()
            {
                return self.down_alone(down, problems);
            }
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

    /// Reads a file that reverts a version without a file that applies it. golang-migrate has such
    /// versions, and does nothing to apply them; sqlx and Flyway never run such a file.
    fn down_alone(&self, down: &File, problems: &mut Problems) -> Option<&'static Definition> {
        if self.format != Format::GolangMigrate {
            return None;
        }
        let name = Name {
            role: Role::Apply,
            ..down.name.clone()
        };
        let nothing = File {
            name,
            path: down.path,
            text: "",
        };
        let files = Files {
            apply: Some(nothing),
            rollback: Some(down.clone()),
            settings: None,
        };
        self.definition(&files, problems)
    }

    fn sql(&self, file: &File, files: &Files, problems: &mut Problems) -> Option<Read> {
        let (header, mistakes) = Header::read(file.text);
        for (line, message) in mistakes {
            problems.at(file.path, line, message);
        }
        let is_said = header.transaction.is_some();
        let marked = self.transaction(file, files.settings.as_ref(), is_said, problems);
        let (up, down) = self.parts(file, problems)?;
        if self.format == Format::Diesel && up.text.is_empty() {
            problems.at(file.path, 1, "it is empty, which diesel refuses as well");
        }
        self.check_marks(file, problems);
        // Flyway's placeholders can be turned off.
        let settings = files.settings.as_ref();
        let read = settings.and_then(|settings| metadata::read(self.format, settings.text).ok());
        if read.and_then(|read| read.placeholders) != Some(false) {
            self.check_placeholders(file, problems);
        }
        let transaction = header
            .transaction
            .or(marked)
            .or(self.folder.defaults.transaction)
            .unwrap_or(true);
        let rollback = match (&files.rollback, down) {
            (Some(rollback), _) => self.rollback(rollback, transaction, problems),
            (None, Some((part, own))) => {
                let transaction = own.unwrap_or(transaction);
                Some(body(self.format, file.path, part, part.line, transaction))
            }
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

    /// Returns whether the file runs in a transaction, by the marks of its tool.
    fn transaction(
        &self,
        file: &File,
        settings: Option<&File>,
        is_said_by_header: bool,
        problems: &mut Problems,
    ) -> Option<bool> {
        match self.format {
            Format::Sqlx => without_transaction(file.text),
            Format::Goose => {
                let parts = goose::parts(file.text).ok()?;
                (!parts.transaction).then_some(false)
            }
            Format::Diesel | Format::Flyway => {
                let said = settings.and_then(|settings| {
                    let read = metadata::read(self.format, settings.text);
                    problems.take(settings.path, read)?.transaction
                });
                match self.format {
                    Format::Flyway if said.is_none() && !is_said_by_header => {
                        problems.take(file.path, alone::in_flyway(file.text))?
                    }
                    _ => said,
                }
            }
            Format::Dbmate => {
                let parts = dbmate::parts(file.text).ok()?;
                Some(parts.transaction)
            }
            Format::GolangMigrate => golang::is_on_its_own(file.text).then_some(false),
            Format::Atlas => problems.take(file.path, atlas::transaction(file.text))?,
            Format::Own | Format::Refinery => None,
        }
    }

    /// Returns the part that is applied, and the part of the same file that reverts it, with its
    /// transaction setting.
    fn parts(&self, file: &File, problems: &mut Problems) -> Option<(Part<'static>, Down)> {
        match self.format {
            Format::Goose => {
                let parts = problems.take(file.path, goose::parts(file.text))?;
                Some((parts.up, parts.down.map(|down| (down, None))))
            }
            Format::Dbmate => {
                let parts = problems.take(file.path, dbmate::parts(file.text))?;
                // dbmate also runs an empty part that reverts.
                Some((parts.up, Some((parts.down, Some(parts.down_transaction)))))
            }
            Format::Own
            | Format::Sqlx
            | Format::Refinery
            | Format::Diesel
            | Format::Flyway
            | Format::GolangMigrate
            | Format::Atlas => Some((whole(file.text), None)),
        }
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
            // diesel refuses to revert with an empty file.
            return None;
        }
        let marked = match self.format {
            Format::Sqlx => without_transaction(file.text),
            // The file that is applied says nothing about this one.
            Format::GolangMigrate => Some(!golang::is_on_its_own(file.text)),
            Format::Own
            | Format::Refinery
            | Format::Diesel
            | Format::Goose
            | Format::Flyway
            | Format::Dbmate
            | Format::Atlas => None,
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

    /// With marks of another tool, both halves of the file would run.
    fn check_marks(&self, file: &File, problems: &mut Problems) {
        if let Some((line, message)) = marks::find_foreign(self.format, file.text) {
            problems.at(file.path, line, message);
        }
    }

    /// Flyway replaces `${..}` by values, and refuses unknown names.
    fn check_placeholders(&self, file: &File, problems: &mut Problems) {
        let may_be_flyway = match self.format {
            Format::Flyway => true,
            Format::Refinery => !self.said,
            Format::Own
            | Format::Sqlx
            | Format::Diesel
            | Format::Goose
            | Format::Dbmate
            | Format::GolangMigrate
            | Format::Atlas => false,
        };
        if !may_be_flyway {
            return;
        }
        let found = (1..)
            .zip(file.text.lines())
            .find(|(_, line)| line.contains("${"));
        if let Some((line, _)) = found {
            let (message, refinery) = (
                "`${..}` is a placeholder of Flyway: nothing is put in its place here, and the text would be run as it is. Write the value, or say `placeholderReplacement=false` in the file's `.conf` if Flyway runs it as it is",
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

/// The part that reverts, and whether it runs in a transaction, if it says so.
type Down = Option<(Part<'static>, Option<bool>)>;

/// Recognizes sqlx's mark at the beginning of the file.
fn without_transaction(text: &str) -> Option<bool> {
    text.starts_with("-- no-transaction").then_some(false)
}

/// Removes the byte-order mark, which databases do not understand.
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
            client: format.client(),
            without_transaction: format.without_transaction(),
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

/// Definitions live as long as the process, like those of code.
fn leak(text: String) -> &'static str {
    text.leak()
}

pub(crate) mod read_change;
#[cfg(test)]
mod tests;
