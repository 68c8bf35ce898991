//! The report of a run: the outcome of every change.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::audit::change_progress::Rows;
use crate::audit::progress::Progress;
use crate::change::batch::rows_failed;
use crate::change::problem::Location;
use crate::plan::decision::Cause;
use crate::plan::note::Note;
use crate::util::error_chain::ErrorChain;
use crate::util::time;

/// The outcome of a change in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// This run applied the change.
    NewlyApplied,
    /// The change was applied before this run.
    AlreadyApplied,
    /// The change failed and was not rolled back, or its outcome is unknown.
    Failed,
    /// The change failed and was rolled back.
    RolledBack,
    /// An undo reversed the change, as requested.
    Undone,
    /// The change needs manual resolution, or comes after one that does or that failed.
    Blocked,
    /// The run did not reach the change, or did not run it because its target system was not ready
    /// or a secret that it takes was not available.
    NotReached,
    /// The runner's tags do not select the change.
    Filtered,
    /// The change runs in the background and is not applied yet.
    Pending,
    /// The change runs in the background, and an operator paused it.
    Paused,
}

impl Outcome {
    pub(super) const ALL: [Outcome; 10] = [
        Outcome::NewlyApplied,
        Outcome::AlreadyApplied,
        Outcome::Failed,
        Outcome::RolledBack,
        Outcome::Undone,
        Outcome::Blocked,
        Outcome::NotReached,
        Outcome::Filtered,
        Outcome::Pending,
        Outcome::Paused,
    ];

    pub(crate) fn is_applied(self) -> bool {
        matches!(self, Outcome::NewlyApplied | Outcome::AlreadyApplied)
    }

    /// Returns the word that JSON and log events have: `newly_applied`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::NewlyApplied => "newly_applied",
            Outcome::AlreadyApplied => "already_applied",
            Outcome::Failed => "failed",
            Outcome::RolledBack => "rolled_back",
            Outcome::Undone => "undone",
            Outcome::Blocked => "blocked",
            Outcome::NotReached => "not_reached",
            Outcome::Filtered => "filtered",
            Outcome::Pending => "pending",
            Outcome::Paused => "paused",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Outcome::NewlyApplied => "newly applied",
            Outcome::AlreadyApplied => "already applied",
            Outcome::Failed => "failed",
            Outcome::RolledBack => "rolled back",
            Outcome::Undone => "undone",
            Outcome::Blocked => "blocked",
            Outcome::NotReached => "not reached",
            Outcome::Filtered => "filtered",
            Outcome::Pending => "pending",
            Outcome::Paused => "paused",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` respects the width with which the report aligns its lines; `write_str` would not.
        f.pad(self.words())
    }
}

/// The part of the report about one change.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChangeReport {
    /// The id of the change.
    pub id: String,
    /// The order of the change.
    pub order: &'static str,
    /// The target system of the change.
    pub target: &'static str,
    /// The place of the change in the source.
    #[serde(serialize_with = "as_text")]
    pub location: Location,
    /// The outcome of the change.
    pub outcome: Outcome,
    /// How long this run worked on the change; `None` if it did not.
    #[serde(rename = "duration_ms", serialize_with = "time::milliseconds_if_any")]
    pub duration: Option<Duration>,
    /// Why the change failed or is blocked.
    pub error: Option<ErrorChain>,
    /// Why the change needs manual resolution, if it does.
    pub issue: Option<Cause>,
    /// Notes: facts about the change that did not keep the run from applying it.
    pub notes: Vec<Note>,
    /// The steps that this run reached, if the change has steps.
    pub steps: Vec<StepReport>,
    /// How far the change is after this run, if it works in batches and the run worked on it.
    pub batches: Option<BatchReport>,
    /// Whether its function was dropped because the run was asked to stop.
    #[serde(skip)]
    pub(crate) stopped: bool,
    /// Whether the outcome is unknown or not recorded.
    #[serde(skip)]
    pub(crate) in_doubt: bool,
}

/// How far a change in batches, or its rollback, is after a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchReport {
    /// The number of batches that this run committed.
    pub batches: i64,
    /// The number of rows that they did.
    pub rows: i64,
    /// The number of rows that all runs did.
    pub done_rows: i64,
    /// The number of rows that there are to do, if a batch estimated it.
    pub total_rows: Option<i64>,
    /// The number of rows that failed and are to be done again.
    pub failed_rows: usize,
}

impl BatchReport {
    /// Notes how far it is now. `before` is how far it was when the run began.
    pub(crate) fn tell(&mut self, now: &Progress, before: &Progress) {
        *self = BatchReport {
            batches: now.batches - before.batches,
            rows: now.done_rows - before.done_rows,
            done_rows: now.done_rows,
            total_rows: now.total_rows,
            failed_rows: now.failed_rows.len(),
        };
    }
}

impl fmt::Display for BatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = Rows {
            batches: self.batches,
            done: self.rows,
            total: None,
            per_second: None,
        };
        rows.fmt(f)?;
        if self.done_rows != self.rows {
            write!(f, ", {} by all runs", self.done_rows)?;
        }
        match self.failed_rows {
            0 => Ok(()),
            failed => write!(f, ", {}", rows_failed(failed)),
        }
    }
}

/// The part of the report about one step of a change.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StepReport {
    /// The number of the step in its change, from 1.
    pub number: usize,
    /// The outcome of the step.
    pub outcome: StepOutcome,
    /// How long the step took, without its rollback; `None` while it runs.
    #[serde(rename = "duration_ms", serialize_with = "time::milliseconds_if_any")]
    pub duration: Option<Duration>,
}

/// The outcome of a step in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOutcome {
    /// The step succeeded.
    Applied,
    /// The step failed or was interrupted, and was not rolled back.
    Failed,
    /// The step was rolled back.
    RolledBack,
    /// The rollback of the step failed.
    RollbackFailed,
}

impl ChangeReport {
    /// Reports whether the text of the report leaves the change out.
    pub(super) fn is_silent(&self) -> bool {
        let done = matches!(self.outcome, Outcome::AlreadyApplied | Outcome::Filtered);
        done && self.notes.is_empty()
    }

    /// Reports whether the change is neither applied nor filtered.
    fn is_open(&self) -> bool {
        !self.outcome.is_applied() && self.outcome != Outcome::Filtered
    }

    /// Reports whether the change failed, or could not run. A change that was only asked to stop
    /// has not failed, unless it is an issue now.
    pub(crate) fn has_failed(&self) -> bool {
        if self.stopped && self.issue.is_none() {
            return false;
        }
        match self.outcome {
            Outcome::Failed => true,
            Outcome::RolledBack | Outcome::NotReached => self.error.is_some(),
            Outcome::NewlyApplied
            | Outcome::AlreadyApplied
            | Outcome::Undone
            | Outcome::Blocked
            | Outcome::Pending
            | Outcome::Paused
            | Outcome::Filtered => false,
        }
    }
}

/// The part of the report about one stage.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StageReport {
    /// The name of the stage.
    pub name: String,
    /// The changes of the stage, in order.
    pub changes: Vec<ChangeReport>,
}

/// An applied change that the audit has and this binary does not.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MissingChange {
    /// The id of the change.
    pub id: String,
    /// The stage that was recorded for it.
    pub stage: String,
    /// The order that was recorded for it.
    pub order: String,
}

/// A target system that a change of the pipeline names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TargetReport {
    /// The name of the target system.
    pub name: String,
    /// The description that the application provides, if any.
    pub description: Option<String>,
}

/// The result of a run: the outcome of every change. The counts add up to the number of changes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The random id of the run, which the audit records too.
    pub run_id: String,
    /// The service.
    pub service: String,
    /// The stages in the order in which they run.
    pub stages: Vec<StageReport>,
    /// The target systems that changes of the pipeline name, by name.
    pub targets: Vec<TargetReport>,
    /// Applied changes that this binary does not have.
    pub missing: Vec<MissingChange>,
    /// Warnings about the run as a whole.
    pub warnings: Vec<String>,
    /// How long the run took, including the time that it waited.
    pub duration: Duration,
}

/// Serializes the fields, the duration as `duration_ms`, and the counts.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Destructured, so that a new field that is forgotten here does not compile.
        let Report {
            run_id,
            service,
            stages,
            targets,
            missing,
            warnings,
            duration,
        } = self;
        let mut fields = serializer.serialize_struct("Report", 8)?;
        fields.serialize_field("run_id", run_id)?;
        fields.serialize_field("service", service)?;
        fields.serialize_field("counts", &self.counts())?;
        fields.serialize_field("stages", stages)?;
        fields.serialize_field("targets", targets)?;
        fields.serialize_field("missing", missing)?;
        fields.serialize_field("warnings", warnings)?;
        fields.serialize_field("duration_ms", &time::in_milliseconds(*duration))?;
        fields.end()
    }
}

/// The number of changes with each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// The number of all changes.
    pub total: usize,
    /// [`Outcome::NewlyApplied`].
    pub newly_applied: usize,
    /// [`Outcome::AlreadyApplied`].
    pub already_applied: usize,
    /// [`Outcome::Failed`].
    pub failed: usize,
    /// [`Outcome::RolledBack`].
    pub rolled_back: usize,
    /// [`Outcome::Undone`].
    pub undone: usize,
    /// [`Outcome::Blocked`].
    pub blocked: usize,
    /// [`Outcome::NotReached`].
    pub not_reached: usize,
    /// [`Outcome::Filtered`].
    pub filtered: usize,
    /// [`Outcome::Pending`].
    pub pending: usize,
    /// [`Outcome::Paused`].
    pub paused: usize,
}

impl Counts {
    pub(super) fn of(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::NewlyApplied => &mut self.newly_applied,
            Outcome::AlreadyApplied => &mut self.already_applied,
            Outcome::Failed => &mut self.failed,
            Outcome::RolledBack => &mut self.rolled_back,
            Outcome::Undone => &mut self.undone,
            Outcome::Blocked => &mut self.blocked,
            Outcome::NotReached => &mut self.not_reached,
            Outcome::Filtered => &mut self.filtered,
            Outcome::Pending => &mut self.pending,
            Outcome::Paused => &mut self.paused,
        }
    }
}

impl Report {
    /// Returns every change, in the order of the report.
    pub fn changes(&self) -> impl Iterator<Item = &ChangeReport> {
        self.stages.iter().flat_map(|stage| &stage.changes)
    }

    /// Reports whether every selected change is applied, or was undone as requested. A change in
    /// the background may be pending or paused.
    pub fn is_success(&self) -> bool {
        self.changes().all(|change| {
            matches!(
                change.outcome,
                Outcome::NewlyApplied
                    | Outcome::AlreadyApplied
                    | Outcome::Undone
                    | Outcome::Filtered
                    | Outcome::Pending
                    | Outcome::Paused
            )
        })
    }

    /// Reports whether every selected change was applied before this run.
    pub fn is_up_to_date(&self) -> bool {
        self.changes()
            .all(|change| matches!(change.outcome, Outcome::AlreadyApplied | Outcome::Filtered))
    }

    /// Returns the target systems with a description that have a change that is still open, or that
    /// was undone.
    pub(crate) fn described(&self) -> impl Iterator<Item = (&str, &str)> {
        let at_work = |target: &&TargetReport| {
            self.changes()
                .any(|change| change.target == target.name && change.is_open())
        };
        let targets = self.targets.iter().filter(at_work);
        targets.filter_map(|target| Some((target.name.as_str(), target.description.as_deref()?)))
    }

    /// Returns the number of changes with each outcome.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in self.changes() {
            counts.total += 1;
            *counts.of(change.outcome) += 1;
        }
        counts
    }
}

fn as_text<S: Serializer>(location: &Location, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(location)
}
