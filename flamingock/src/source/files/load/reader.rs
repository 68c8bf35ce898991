//! Reading the files of one change.

use super::file::{File, Files, Problems};
use super::read_change::Read;
use crate::change::argument::Need;
use crate::change::body::{Body, Code};
use crate::change::definition::Definition;
use crate::change::problem::Location;
use crate::change::script::Script;
use crate::source::files::folder::EmbeddedFolder;
use crate::source::files::format::Format;
use crate::source::files::goose::Part;
use crate::source::files::header::Header;
use crate::source::files::role::{Kind, Name, Role};
use crate::source::files::sql::SqlFile;
use crate::source::files::templates::Templates;
use crate::source::files::{alone, atlas, dbmate, digest, golang, goose, marks, metadata};

/// Reads the files of one folder.
pub(super) struct Reader<'a> {
    pub(super) folder: &'a EmbeddedFolder,
    pub(super) format: Format,
    /// Whether the format is declared, and not detected.
    pub(super) said: bool,
    /// The templates that a declared change can name.
    pub(super) templates: &'a Templates,
}

impl Reader<'_> {
    pub(super) fn definition(
        &self,
        files: &Files,
        problems: &mut Problems,
    ) -> Option<&'static Definition> {
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
