//! The commands and their arguments.

use super::reason::reason;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::adopt::Adopt;
use super::baseline::Baseline;
use super::batch::Batch;
use super::by::By;
use super::check::Check;
use super::entries::List;
use super::export::Export;
use super::format::Format;
use super::new::MANIFEST;
use super::new::New;
use super::plan::Plan;
use crate::plan::undo;
use crate::plan::undo::UndoTarget;
use crate::report::issue::Resolution;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Apply the pending changes
    Apply(Apply),
    /// Show what `apply` would do, without writing anything
    Plan(Plan),
    /// Show the state of every change
    Status(Status),
    /// Undo applied changes with their rollbacks, the last one first, without asking
    Undo(Undo),
    /// Succeed only if nothing is pending, without writing anything
    Check(Check),
    /// Call the verify functions and compare their results with the audit, without writing anything
    Verify,
    /// Read the audit
    #[command(subcommand)]
    Audit(Audit),
    /// Show the changes that need manual resolution, or resolve one
    #[command(subcommand)]
    Issue(Issue),
    /// Show the lock, or release it in place of an owner that no longer runs
    #[command(subcommand)]
    Lock(Lock),
    /// Show how far changes in batches are, or pause, resume, cancel or tune one
    #[command(subcommand)]
    Batch(Batch),
    /// Adopt the history of another tool or service, without running a change
    Adopt(Adopt),
    /// Record changes that were applied by hand as applied, without running one
    Baseline(Baseline),
    /// Check the connection, the rights, the tables, the clock and the lock, and say what to do next
    Doctor,
    /// Create a change with the next order: its file, its `mod` line and its line in the manifest
    New(New),
    /// Print, check or write the manifest, which has one line for each change
    Manifest(Manifest),
    /// Print the statements that create the tables, or that upgrade them to the current format
    Schema(Schema),
}

impl Action {
    /// Returns the name of the command.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Action::Apply(_) => "apply",
            Action::Plan(_) => "plan",
            Action::Status(_) => "status",
            Action::Undo(_) => "undo",
            Action::Check(_) => "check",
            Action::Verify => "verify",
            Action::Audit(_) => "audit",
            Action::Issue(_) => "issue",
            Action::Lock(_) => "lock",
            Action::Batch(_) => "batch",
            Action::Adopt(_) => "adopt",
            Action::Baseline(_) => "baseline",
            Action::Doctor => "doctor",
            Action::New(_) => "new",
            Action::Manifest(_) => "manifest",
            Action::Schema(_) => "schema",
        }
    }
}

impl Action {
    /// Returns the option `--by` of a command that writes to the audit.
    pub(super) fn by(&self) -> Option<&By> {
        match self {
            Action::Apply(Apply { by, .. })
            | Action::Lock(Lock::Release { by, .. })
            | Action::Audit(Audit::Fix(Fix { by, .. }))
            | Action::Issue(Issue::Resolve(Resolve { by, .. })) => Some(by),
            Action::Undo(undo) => Some(&undo.by),
            Action::Batch(batch) => batch.by(),
            Action::Adopt(adopt) => Some(&adopt.by),
            Action::Baseline(baseline) => Some(&baseline.by),
            Action::Plan(_)
            | Action::Status(_)
            | Action::Check(_)
            | Action::Verify
            | Action::Audit(Audit::List(_) | Audit::Export(_))
            | Action::Issue(Issue::List | Issue::Show { .. })
            | Action::Lock(Lock::Status)
            | Action::Doctor
            | Action::New(_)
            | Action::Manifest(_)
            | Action::Schema(_) => None,
        }
    }
}

/// Which of the pending changes.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Apply those in the background, too, after the others; wait while another instance works on
    /// one
    #[arg(long)]
    pub(super) background: bool,
    #[command(flatten)]
    pub(super) by: By,
}

/// Of what.
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Show all services of the database, one line each, according to the audit
    #[arg(long)]
    pub(super) all_services: bool,
}

/// What to undo, and how.
#[derive(Debug, Args)]
pub(super) struct Undo {
    #[command(flatten)]
    range: UndoRange,
    /// Show what would be undone, without writing anything
    #[arg(long)]
    pub(super) plan: bool,
    /// Undo even if the service has applied changes that this binary does not know; those stay
    /// applied
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
    /// All changes after this one, which itself stays applied
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    /// Only this change
    #[arg(value_name = "ID")]
    change: Option<String>,
    /// The changes that this run applied; `audit list --history --extended` shows the ids of runs
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
    /// Print every entry for another system, oldest first
    Export(Export),
    /// Resolve an issue, like `issue resolve`
    #[command(hide = true)]
    Fix(Fix),
}

/// What an operator found out.
#[derive(Debug, Args)]
pub(super) struct Fix {
    /// The change
    #[arg(short, long, value_name = "ID")]
    pub(super) change: String,
    /// APPLIED: its effect is present. ROLLED_BACK: no effect is present, and `apply` runs it
    #[arg(short, long, value_enum, ignore_case = true)]
    pub(super) resolution: Finding,
    /// The reason, recorded in the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    #[command(flatten)]
    by: By,
}

/// A resolution, as it is written in a command.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Finding {
    /// The effect of the change is present
    Applied,
    /// No effect of the change is present
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
    /// Show one change that needs manual resolution
    #[command(alias = "get")]
    Show {
        /// The change
        id: String,
        /// Show what failed, what to check, and the commands that resolve it
        #[arg(long)]
        guidance: bool,
    },
    /// Record whether such a change is applied
    Resolve(Resolve),
}

/// What an operator found out, and of which change.
#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// The change
    pub(super) id: String,
    #[command(flatten)]
    found: Found,
    /// The reason, recorded in the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    #[command(flatten)]
    by: By,
}

/// One of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Found {
    /// The effect of the change is present
    #[arg(long)]
    applied: bool,
    /// No effect of the change is present, and `apply` runs it
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
    /// Show the current or last owner
    #[command(alias = "show")]
    Status,
    /// Release the lock in place of an owner that no longer runs
    Release {
        /// The reason, recorded in the audit
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        /// The lock of this change in the background, instead of that of the start
        #[arg(long, value_name = "ID")]
        change: Option<String>,
        #[command(flatten)]
        by: By,
    },
}

/// What to do with the manifest.
#[derive(Debug, Args)]
pub(super) struct Manifest {
    /// Fail if the changes differ from this file [default: changes.lock]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = MANIFEST)]
    pub(super) check: Option<PathBuf>,
    /// Compare with this branch or commit, too: fail if the branch inserts a change before one that
    /// is merged, or edits or drops one
    #[arg(long, value_name = "COMMIT", requires = "check")]
    pub(super) base: Option<String>,
    /// The format of the comparison
    #[arg(long, value_enum, default_value_t, requires = "check")]
    pub(super) format: Format,
    /// Write it to this file
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(super) write: Option<PathBuf>,
}

/// Which statements.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Print the statements that upgrade the tables of this database from an older format
    #[arg(long)]
    pub(super) upgrade: bool,
    /// Print the statements that grant the rights of four database users: one that applies changes,
    /// one that only starts instances, one that operates, one that reads
    #[arg(long, conflicts_with = "upgrade")]
    pub(super) grants: bool,
}
