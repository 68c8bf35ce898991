//! A folder as `include_files!` embeds it.

use std::sync::Mutex;
use std::time::Duration;

use super::templates::Templates;
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
    pub(super) on_disk: Option<&'static str>,
    /// What was made of it, for each set of templates.
    pub(super) read: Mutex<Vec<(Templates, Made)>>,
}

/// The changes of a folder, or what is wrong with it.
pub(super) type Made = Result<Vec<&'static Definition>, Vec<Problem>>;
