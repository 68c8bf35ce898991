//! A folder as `include_files!` embeds it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::templates::{Decided, Templates};
use super::{compare, format, load};
use crate::change::definition::{Definition, Recovery, Repeat};
use crate::change::problem::Location;
use crate::change::problem::Problem;

/// What holds for every file of a folder that does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Who wrote the changes.
    pub author: Option<&'static str>,
    /// Their stage.
    pub stage: Option<&'static str>,
    /// Their target system.
    pub target: Option<&'static str>,
    /// Whether they run in a transaction.
    pub transaction: Option<bool>,
    /// What may be done with one that stopped half-way.
    pub recovery: Option<Recovery>,
    /// Whether they are applied again.
    pub repeat: Repeat,
    /// Names that the runner selects by.
    pub tags: &'static [&'static str],
    /// The longest time that a change may take.
    pub timeout: Option<Duration>,
    /// The longest time that a statement waits for a lock.
    pub lock_timeout: Option<Duration>,
    /// The longest time that a statement may take.
    pub statement_timeout: Option<Duration>,
    /// Whose names the files have; found out where it is not said.
    pub format: Option<&'static str>,
}

impl Defaults {
    /// Nothing is said.
    pub const NONE: Defaults = Defaults {
        author: None,
        stage: None,
        target: None,
        transaction: None,
        recovery: None,
        repeat: Repeat::Once,
        tags: &[],
        timeout: None,
        lock_timeout: None,
        statement_timeout: None,
        format: None,
    };
}

/// The files of a folder, as they were when the crate was compiled.
#[derive(Debug)]
pub struct EmbeddedFolder {
    pub(super) path: &'static str,
    pub(super) location: Location,
    pub(super) module_path: &'static str,
    pub(super) author: &'static str,
    pub(super) defaults: Defaults,
    pub(super) files: &'static [(&'static str, &'static str)],
    on_disk: Option<&'static str>,
    /// What was made of it, for each set of templates.
    read: Mutex<Vec<(Templates, Made)>>,
}

/// The changes of a folder, or what is wrong with it.
type Made = Result<Vec<&'static Definition>, Vec<Problem>>;

impl EmbeddedFolder {
    /// A folder, as the macro writes it down: its path from the package, where the macro stands, who
    /// wrote what names nobody, the files by their paths from the folder, and, in a debug build,
    /// where the folder was.
    pub const fn new(
        path: &'static str,
        location: Location,
        module_path: &'static str,
        author: &'static str,
        defaults: Defaults,
        files: &'static [(&'static str, &'static str)],
        on_disk: Option<&'static str>,
    ) -> EmbeddedFolder {
        EmbeddedFolder {
            path,
            location,
            module_path,
            author,
            defaults,
            files,
            on_disk,
            read: Mutex::new(Vec::new()),
        }
    }

    /// The changes of the folder. They are made once, and stay for the life of the process, as those
    /// of code do.
    pub(crate) fn definitions(&self, templates: &Templates) -> Made {
        let mut made = self.made(templates);
        if let Some(on_disk) = self.on_disk {
            let found = compare::with_disk(self, on_disk.as_ref());
            match &mut made {
                Err(problems) => problems.extend(found),
                Ok(_) if found.is_empty() => {}
                Ok(_) => made = Err(found),
            }
        }
        made
    }

    /// Whether a file of this path would be listed, as `include_files!` does.
    #[must_use]
    pub fn lists(file: &str) -> bool {
        compare::lists(file)
    }

    /// Whether the text of a listed file would be embedded.
    #[must_use]
    pub fn embeds(file: &str) -> bool {
        compare::embeds(file)
    }

    /// What to say of the files that its tool passes over, if there are any.
    pub(crate) fn passed_over(&self, formats: &[Decided]) -> Option<String> {
        load::passed_over(self, formats)
    }

    /// Tells it apart from other folders.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The target system that the folder's changes have unless they say otherwise.
    pub(crate) fn target(&self) -> Option<&'static str> {
        self.defaults.target
    }

    /// The first file of a folder that both sqlx and golang-migrate could have written, where its format is
    /// not said.
    pub(crate) fn fits_two(&self) -> Option<String> {
        let is_said = self.defaults.format.is_some();
        let fits = !is_said && load::fits_two(self.files);
        let first = self.files.iter().find(|(file, _)| format::applies(file));
        first
            .filter(|_| fits)
            .map(|(file, _)| format!("{}/{file}", self.path))
    }

    fn made(&self, templates: &Templates) -> Made {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = read.iter().find(|(with, _)| with == templates) {
            return made.clone();
        }
        let made = load::definitions(self, templates);
        read.push((templates.clone(), made.clone()));
        made
    }
}
