//! The commands and their arguments.

use super::reason::reason;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand, ValueEnum};

use super::adopt::Adopt;
use super::baseline::Baseline;
use super::by::By;
use super::time::since;
use crate::plan::undo;
use crate::plan::undo::UndoTarget;
use crate::report::issue::Resolution;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Apply what is pending
    Apply(By),
    /// Show what `apply` would do; write nothing
    Plan,
    /// Show where every change stands
    Status(Status),
    /// Undo applied changes by their rollbacks, last first, without a question
    Undo(Undo),
    /// Succeed only if nothing is pending; write nothing
    Check,
    /// Call the verify functions and compare their answers with the audit; write nothing
    Verify,
    /// Read the audit
    #[command(subcommand)]
    Audit(Audit),
    /// Show the changes that need manual resolution, or record what an operator found out
    #[command(subcommand)]
    Issue(Issue),
    /// Show the lock, or take it from an owner that is gone
    #[command(subcommand)]
    Lock(Lock),
    /// Adopt the history of another tool or service; run nothing
    Adopt(Adopt),
    /// Record changes as applied that people have applied by hand; run nothing
    Baseline(Baseline),
    /// Print, check or write the manifest: one line a change
    Manifest(Manifest),
    /// Print the statements that create the tables of the audit, or bring them to the current format
    Schema(Schema),
}

impl Action {
    /// Returns the name of the command.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Action::Apply(_) => "apply",
            Action::Plan => "plan",
            Action::Status(_) => "status",
            Action::Undo(_) => "undo",
            Action::Check => "check",
            Action::Verify => "verify",
            Action::Audit(_) => "audit",
            Action::Issue(_) => "issue",
            Action::Lock(_) => "lock",
            Action::Adopt(_) => "adopt",
            Action::Baseline(_) => "baseline",
            Action::Manifest(_) => "manifest",
            Action::Schema(_) => "schema",
        }
    }
}

impl Action {
    /// Returns the option `--by` of a command that writes to the audit.
    pub(super) fn by(&self) -> Option<&By> {
        match self {
            Action::Apply(by)
            | Action::Lock(Lock::Release { by, .. })
            | Action::Audit(Audit::Fix(Fix { by, .. }))
            | Action::Issue(Issue::Resolve(Resolve { by, .. })) => Some(by),
            Action::Undo(undo) => Some(&undo.by),
            Action::Adopt(adopt) => Some(&adopt.by),
            Action::Baseline(baseline) => Some(&baseline.by),
            Action::Plan
            | Action::Status(_)
            | Action::Check
            | Action::Verify
            | Action::Audit(Audit::List(_))
            | Action::Issue(Issue::List | Issue::Show { .. })
            | Action::Lock(Lock::Status)
            | Action::Manifest(_)
            | Action::Schema(_) => None,
        }
    }
}

/// Of what.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Show all services of the database instead, a line each, from the audit alone
    #[arg(long)]
    pub(super) all_services: bool,
}

/// What to undo, and how.
#[derive(Debug, Args)]
pub(super) struct Undo {
    #[command(flatten)]
    range: UndoRange,
    /// Show what would be undone; write nothing
    #[arg(long)]
    pub(super) plan: bool,
    /// Undo also where the service has applied changes that this binary does not know, and leave those
    /// as they are
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    by: By,
}

impl Undo {
    pub(super) fn undo(self) -> undo::Undo {
        let undo = undo::Undo::new(self.range.target());
        if self.force { undo.force() } else { undo }
    }
}

/// Which changes to undo.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct UndoRange {
    /// The last applied change
    #[arg(long)]
    last: bool,
    /// The last N applied changes
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Everything after this change, which itself stays
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    /// This change alone
    #[arg(value_name = "ID")]
    change: Option<String>,
    /// What this run applied: `audit list --history` shows the ids of runs
    #[arg(long, value_name = "RUN_ID")]
    run: Option<String>,
}

impl UndoRange {
    fn target(self) -> UndoTarget {
        match self {
            UndoRange { run: Some(run), .. } => UndoTarget::Run(run),
            UndoRange {
                count: Some(count), ..
            } => UndoTarget::Count(count),
            UndoRange { to: Some(id), .. } => UndoTarget::To(id),
            UndoRange {
                change: Some(id), ..
            } => UndoTarget::Change(id),
            UndoRange { .. } => UndoTarget::Last,
        }
    }
}

/// What to do with the audit.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Show the latest entry of each change
    List(List),
    /// Record what an operator found out about a change that needs resolution: `issue resolve`
    #[command(hide = true)]
    Fix(Fix),
}

/// Which entries, and how much of them.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Every entry, oldest first
    #[arg(long)]
    pub(super) history: bool,
    /// Only attempts that began at or after this time: `2h` or `3d` ago, a date or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(super) since: Option<SystemTime>,
    /// Only this change
    #[arg(value_name = "ID")]
    pub(super) change: Option<String>,
    /// Only entries in this state, as the audit spells it
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub(super) state: Option<String>,
    /// Everything that is known of each entry
    #[arg(long)]
    pub(super) extended: bool,
    /// Who asked for it, too, and reasons and errors on narrow terminals
    #[arg(long)]
    pub(super) wide: bool,
}

/// What an operator found out.
#[derive(Debug, Args)]
pub(super) struct Fix {
    /// The change
    #[arg(short, long, value_name = "ID")]
    pub(super) change: String,
    /// APPLIED: its effect is there. ROLLED_BACK: nothing of it is there, and `apply` runs it
    #[arg(short, long, value_enum, ignore_case = true)]
    pub(super) resolution: Finding,
    /// What was found, for the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    #[command(flatten)]
    by: By,
}

/// A resolution, as it is written in a command.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Finding {
    /// Its effect is there
    Applied,
    /// Nothing of it is there
    RolledBack,
}

impl Finding {
    pub(super) fn resolution(self) -> Resolution {
        match self {
            Finding::Applied => Resolution::Applied,
            Finding::RolledBack => Resolution::RolledBack,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Finding::Applied => "APPLIED",
            Finding::RolledBack => "ROLLED_BACK",
        }
    }
}

/// Which issues.
#[derive(Debug, Subcommand)]
pub(super) enum Issue {
    /// Show the changes that need manual resolution
    List,
    /// Show one of them
    #[command(alias = "get")]
    Show {
        /// The change
        id: String,
        /// What failed, what to look at, and the commands that resolve it
        #[arg(long)]
        guidance: bool,
    },
    /// Record what an operator found out about one of them
    Resolve(Resolve),
}

/// What an operator found out, and of which change.
#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// The change
    pub(super) id: String,
    #[command(flatten)]
    found: Found,
    /// What was found, for the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    #[command(flatten)]
    by: By,
}

/// One of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Found {
    /// Its effect is there
    #[arg(long)]
    applied: bool,
    /// Nothing of it is there, and `apply` runs it
    #[arg(long)]
    rolled_back: bool,
}

impl Resolve {
    pub(super) fn finding(&self) -> Finding {
        if self.found.applied {
            Finding::Applied
        } else {
            Finding::RolledBack
        }
    }
}

/// What to do with the lock.
#[derive(Debug, Subcommand)]
pub(super) enum Lock {
    /// Show who has it, or had it last
    #[command(alias = "show")]
    Status,
    /// Take it from an owner that is known to be gone, and give it back
    Release {
        /// How that is known, for the audit
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

/// What to do with the manifest.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Manifest {
    /// Fail if the changes differ from this file
    #[arg(long, value_name = "FILE")]
    pub(super) check: Option<PathBuf>,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
}

/// Which statements.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Print those that bring the tables of this database from an older format to the current one
    #[arg(long)]
    pub(super) upgrade: bool,
}

const STATES: [&str; 8] = [
    "STARTED",
    "APPLIED",
    "FAILED",
    "ROLLED_BACK",
    "ROLLBACK_FAILED",
    "MANUAL_MARKED_AS_APPLIED",
    "MANUAL_MARKED_AS_ROLLED_BACK",
    "MANUAL_LOCK_RELEASED",
];

/// Parses a state in any case. A state that no version has written is a typing error.
fn state(text: &str) -> Result<String, String> {
    let text = text.to_ascii_uppercase();
    if STATES.contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(format!("use one of {}", STATES.join(", ")))
    }
}
