//! The files of a change, and the problems found in them.

use crate::change::problem::{Location, Problem};
use crate::source::files::mistake::Mistake;
use crate::source::files::role::Name;

/// The files of one change.
#[derive(Default)]
pub(super) struct Files {
    pub(super) apply: Option<File>,
    pub(super) rollback: Option<File>,
    pub(super) settings: Option<File>,
}

/// A file, and the meaning of its name.
#[derive(Clone)]
pub(super) struct File {
    pub(super) name: Name,
    /// The path, relative to the package.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// The problems found so far.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn at(&mut self, path: &'static str, line: u32, message: impl Into<String>) {
        self.0
            .push(Problem::at(Location { file: path, line }, message));
    }

    /// Records a mistake, or returns what was read.
    pub(super) fn take<T>(&mut self, path: &'static str, read: Result<T, Mistake>) -> Option<T> {
        read.map_err(|(line, message)| self.at(path, line, message))
            .ok()
    }
}

/// Definitions live as long as the process, like those of code.
pub(super) fn leak(text: String) -> &'static str {
    text.leak()
}
