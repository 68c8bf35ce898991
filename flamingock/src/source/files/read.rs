//! The changes of an embedded folder.

use super::templates::{Decided, Templates};
use super::{compare, format, load};
use crate::change::problem::Location;
use crate::source::files::folder::{Defaults, EmbeddedFolder, Made};
use std::sync::{Mutex, PoisonError};

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
