//! A folder that `include_files!` has embedded.

use std::sync::Mutex;
use std::time::Duration;

use super::templates::Templates;
use crate::change::definition::{Definition, Recovery, Repeat};
use crate::change::problem::Location;
use crate::change::problem::Problem;

/// The settings of a folder, for every file that does not set them itself.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The author of the changes.
    pub author: Option<&'static str>,
    /// The stage of the changes.
    pub stage: Option<&'static str>,
    /// The target system of the changes.
    pub target: Option<&'static str>,
    /// Whether the changes run in a transaction.
    pub transaction: Option<bool>,
    /// What the engine may do about an unfinished attempt.
    pub recovery: Option<Recovery>,
    /// Whether the changes are repeatable.
    pub repeat: Repeat,
    /// The tags by which the runner selects changes.
    pub tags: &'static [&'static str],
    /// The timeout of a change.
    pub timeout: Option<Duration>,
    /// How long a statement waits for a lock of the database.
    pub lock_timeout: Option<Duration>,
    /// How long a statement may take.
    pub statement_timeout: Option<Duration>,
    /// The tool whose format the folder has; detected if `None`.
    pub format: Option<&'static str>,
}

impl Defaults {
    /// No settings.
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
    /// The changes that were read, for each set of templates.
    pub(super) read: Mutex<Vec<(Templates, Made)>>,
}

/// The changes of a folder, or its problems.
pub(super) type Made = Result<Vec<&'static Definition>, Vec<Problem>>;
