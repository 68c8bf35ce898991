//! The changes of an embedded folder.

use super::templates::{Decided, Templates};
use super::{compare, format, load};
use crate::change::problem::Location;
use crate::source::files::folder::{Defaults, EmbeddedFolder, Made};
use std::sync::{Mutex, PoisonError};

impl EmbeddedFolder {
    /// Creates a folder, for the code of the macro: its path relative to the package, the place of
    /// the macro, the author of changes that name none, the files by their paths relative to the
    /// folder, and, in a debug build, the folder's place on disk.
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

    /// Returns the changes of the folder. They are created once, and live as long as the process,
    /// like those of code.
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

    /// Reports whether `include_files!` would list a file with this path.
    #[must_use]
    pub fn lists(file: &str) -> bool {
        compare::lists(file)
    }

    /// Reports whether the text of a listed file would be embedded.
    #[must_use]
    pub fn embeds(file: &str) -> bool {
        compare::embeds(file)
    }

    /// Returns the warning about files that the folder's tool ignores, if there are any.
    pub(crate) fn passed_over(&self, formats: &[Decided]) -> Option<String> {
        load::passed_over(self, formats)
    }

    /// Returns a value that identifies the folder.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Returns the default target system of the folder's changes.
    pub(crate) fn target(&self) -> Option<&'static str> {
        self.defaults.target
    }

    /// Returns the default stage of the folder's changes.
    #[cfg(feature = "cli")]
    pub(crate) fn stage(&self) -> Option<&'static str> {
        self.defaults.stage
    }

    /// Returns the path of the folder, relative to the package.
    #[cfg(feature = "cli")]
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// Returns the first file of a folder that both sqlx and golang-migrate could have written, if
    /// its format is not declared.
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
