//! The report: what a run found and did, change by change.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::change::problem::Location;
use crate::plan::decision::Cause;
use crate::plan::note::Note;
use crate::util::error_chain::ErrorChain;

/// What became of a change in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// This run applied it.
    NewlyApplied,
    /// It was applied before.
    AlreadyApplied,
    /// It failed, and what it did was not undone; or nobody could find out.
    Failed,
    /// It failed, and what it did was rolled back.
    RolledBack,
    /// An undo reversed it, as asked.
    Undone,
    /// It needs manual resolution, or stands behind one that does, or behind one that failed.
    Blocked,
    /// The run did not come to it, or did not start it since its target system was not ready or a
    /// secret that it takes was not known.
    NotReached,
    /// The runner's tags leave it out.
    Filtered,
}

impl Outcome {
    pub(super) const ALL: [Outcome; 8] = [
        Outcome::NewlyApplied,
        Outcome::AlreadyApplied,
        Outcome::Failed,
        Outcome::RolledBack,
        Outcome::Undone,
        Outcome::Blocked,
        Outcome::NotReached,
        Outcome::Filtered,
    ];

    pub(crate) fn is_applied(self) -> bool {
        matches!(self, Outcome::NewlyApplied | Outcome::AlreadyApplied)
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
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` and not `write_str`: the report aligns.
        f.pad(self.words())
    }
}

/// A change in the report.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChangeReport {
    /// The change's id.
    pub id: String,
    /// Its order.
    pub order: &'static str,
    /// Its target system.
    pub target: &'static str,
    /// Where it stands in the source.
    #[serde(serialize_with = "as_text")]
    pub location: Location,
    /// What became of it.
    pub outcome: Outcome,
    /// How long this run worked at it; none if it did not.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds_if_any")]
    pub duration: Option<Duration>,
    /// Why it failed or is blocked.
    pub error: Option<ErrorChain>,
    /// Why manual resolution is needed, if one is.
    pub issue: Option<Cause>,
    /// What else somebody should see.
    pub notes: Vec<Note>,
    /// The steps that this run came to, in a change that has steps.
    pub steps: Vec<StepReport>,
    /// Whether its function was dropped because the run was asked to stop.
    #[serde(skip)]
    pub(crate) stopped: bool,
    /// Whether its outcome is not known, or not on record.
    #[serde(skip)]
    pub(crate) in_doubt: bool,
}

/// A step of a change in the report.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StepReport {
    /// Its number in the change, from 1.
    pub number: usize,
    /// What became of it.
    pub outcome: StepOutcome,
    /// How long it took, without its rollback; none while it runs.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds_if_any")]
    pub duration: Option<Duration>,
}

/// What became of a step in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOutcome {
    /// It succeeded.
    Applied,
    /// It failed, or was not seen to end, and what it did was not undone.
    Failed,
    /// What it did is undone.
    RolledBack,
    /// Its rollback failed.
    RollbackFailed,
}

impl ChangeReport {
    /// Whether there is nothing to say of it.
    pub(super) fn is_silent(&self) -> bool {
        let done = matches!(self.outcome, Outcome::AlreadyApplied | Outcome::Filtered);
        done && self.notes.is_empty()
    }

    /// Whether it is neither applied nor left out.
    fn is_open(&self) -> bool {
        !self.outcome.is_applied() && self.outcome != Outcome::Filtered
    }

    /// Whether it failed, or could not be started. A change that was only asked to stop has not failed,
    /// unless something of it is left.
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
            | Outcome::Filtered => false,
        }
    }
}

/// A stage in the report.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StageReport {
    /// The stage's name.
    pub name: String,
    /// Its changes, in order.
    pub changes: Vec<ChangeReport>,
}

/// A change that the audit has and the binary does not.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MissingChange {
    /// The change's id.
    pub id: String,
    /// Its stage, as it was recorded.
    pub stage: String,
    /// Its order, as it was recorded.
    pub order: String,
}

/// A target system that a change of the pipeline names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// What it is, as the application says.
    pub description: Option<String>,
}

/// What a run found and did. The counts add up to the number of changes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The run's random id, as it stands in the audit.
    pub run_id: String,
    /// The service.
    pub service: String,
    /// The stages in the order in which they run.
    pub stages: Vec<StageReport>,
    /// The target systems that changes of the pipeline name, by name.
    pub targets: Vec<TargetReport>,
    /// Applied changes that this binary does not have.
    pub missing: Vec<MissingChange>,
    /// What somebody should know about the run as a whole.
    pub warnings: Vec<String>,
    /// How long the run took, with waiting.
    pub duration: Duration,
}

/// The fields, the duration as `duration_ms`, and the counts.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A new field that is forgotten here does not compile.
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
        fields.serialize_field("duration_ms", &in_milliseconds(*duration))?;
        fields.end()
    }
}

/// How many changes ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// All changes.
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
        }
    }
}

impl Report {
    /// Every change, in the order of the report.
    pub fn changes(&self) -> impl Iterator<Item = &ChangeReport> {
        self.stages.iter().flat_map(|stage| &stage.changes)
    }

    /// Whether every selected change is applied, or was undone as asked.
    pub fn is_success(&self) -> bool {
        self.changes().all(|change| {
            matches!(
                change.outcome,
                Outcome::NewlyApplied
                    | Outcome::AlreadyApplied
                    | Outcome::Undone
                    | Outcome::Filtered
            )
        })
    }

    /// Whether every selected change was applied before this run.
    pub fn is_up_to_date(&self) -> bool {
        self.changes()
            .all(|change| matches!(change.outcome, Outcome::AlreadyApplied | Outcome::Filtered))
    }

    /// The targets with a description at which something is still to be done, or was undone.
    pub(crate) fn described(&self) -> impl Iterator<Item = (&str, &str)> {
        let at_work = |target: &&TargetReport| {
            self.changes()
                .any(|change| change.target == target.name && change.is_open())
        };
        let targets = self.targets.iter().filter(at_work);
        targets.filter_map(|target| Some((target.name.as_str(), target.description.as_deref()?)))
    }

    /// How many changes ended in which way.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in self.changes() {
            counts.total += 1;
            *counts.of(change.outcome) += 1;
        }
        counts
    }
}

fn in_milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn milliseconds_if_any<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_f64(in_milliseconds(*duration)),
        None => serializer.serialize_none(),
    }
}

fn as_text<S: Serializer>(location: &Location, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(location)
}
