//! What a listener is told.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::audit::snapshot::LockStatus;
use crate::plan::decision::Cause;
use crate::report::error::{Error, ErrorKind};
use crate::report::probe::Probe;
use crate::report::run::{ChangeReport, Report};
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::texts;
use crate::util::plural::plural;
use crate::util::visible::Visible;

/// Something that happened in a run.
///
/// As JSON it is one flat object: the fields of this struct, `event` with the name of what happened
/// (`"change_ended"`), and the fields of that. Durations are milliseconds, in fields that end in `_ms`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// Counts the events of the run, from 1.
    pub number: u64,
    /// The run's random id, as it stands in the audit.
    pub run_id: String,
    /// The service.
    pub service: String,
    /// What the run is for.
    pub work: Work,
    /// How long after the run's beginning it happened.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Work {
    /// [`Runner::run`](crate::Runner::run), in any mode.
    Run,
    /// [`Runner::undo`](crate::Runner::undo).
    Undo,
    /// [`Runner::verify`](crate::Runner::verify).
    Verify,
}

impl Work {
    /// The word, as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Run => "run",
            Work::Undo => "undo",
            Work::Verify => "verify",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run began. The first event of every run, also of one that is refused.
    RunStarted,
    /// It was read what is to be done: under the lock, or without it by a verify.
    #[non_exhaustive]
    Planned {
        /// How many changes are to run, be undone or be verified, if nothing gets in the way.
        changes: usize,
    },
    /// Another run has the lock, and this one waits. Told again every half a minute, and when the lock
    /// goes to another owner.
    #[non_exhaustive]
    LockWaited {
        /// Who has it.
        holder: LockStatus,
    },
    /// The lock is this run's.
    #[non_exhaustive]
    LockObtained {
        /// How long that took since the run's beginning.
        #[serde(rename = "waited_ms", serialize_with = "milliseconds")]
        waited: Duration,
    },
    /// The lock is, or may be, another's: nothing more is started or written.
    #[non_exhaustive]
    LockLost {
        /// How that is known.
        reason: String,
    },
    /// The lock was given back.
    LockReleased,
    /// The first change of a stage is about to start. A stage in which nothing runs is not told of, and
    /// neither are the stages of an undo or a verify.
    #[non_exhaustive]
    StageStarted {
        /// The stage.
        stage: String,
    },
    /// No more changes of a stage run.
    #[non_exhaustive]
    StageEnded {
        /// The stage.
        stage: String,
        /// Whether a change of it kept the rest from running.
        halted: bool,
        /// How long it took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
    },
    /// A target system is not ready yet, and its first change waits for it. Told once.
    #[non_exhaustive]
    TargetWaited {
        /// The target system.
        target: String,
        /// What its probe says.
        error: ErrorChain,
    },
    /// A target system that is to be asked is ready.
    #[non_exhaustive]
    TargetReady {
        /// The target system.
        target: String,
        /// How long that took.
        #[serde(rename = "waited_ms", serialize_with = "milliseconds")]
        waited: Duration,
    },
    /// A change starts: it, its rollback in an undo, or its probe in a verify.
    #[non_exhaustive]
    ChangeStarted {
        /// The change's id.
        id: String,
        /// Its order.
        order: String,
        /// Its stage.
        stage: String,
        /// Its target system.
        target: String,
        /// Counts the runs that started this change, from 1.
        attempt: u32,
    },
    /// A step of a change starts, or its rollback does.
    #[non_exhaustive]
    StepStarted {
        /// The change's id.
        id: String,
        /// Its stage.
        stage: String,
        /// The number of the step in the change, from 1.
        step: usize,
        /// How many steps the change has.
        steps: usize,
        /// Whether it is the step's rollback.
        rollback: bool,
    },
    /// A step of a change ended, or its rollback did. One that was not seen to end has no such event.
    #[non_exhaustive]
    StepEnded {
        /// The change's id.
        id: String,
        /// Its stage.
        stage: String,
        /// The number of the step in the change, from 1.
        step: usize,
        /// How many steps the change has.
        steps: usize,
        /// Whether it is the step's rollback.
        rollback: bool,
        /// How long it took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
        /// Why it failed; none if it did not.
        error: Option<ErrorChain>,
    },
    /// A change ended. It comes without its start for a change that could not start, since its target
    /// system was not ready.
    #[non_exhaustive]
    ChangeEnded {
        /// The change's stage.
        stage: String,
        /// Counts the runs that started this change, from 1.
        attempt: u32,
        /// What became of it, as in the run's report.
        #[serde(flatten)]
        change: Box<ChangeReport>,
    },
    /// The probe of a change answered, or failed, in a verify.
    Probed(Box<Probe>),
    /// A change needs manual resolution. Told once in a run.
    #[non_exhaustive]
    IssueFound {
        /// The change's id.
        id: String,
        /// Its stage.
        stage: String,
        /// Its target system.
        target: String,
        /// Why manual resolution is needed.
        cause: Cause,
        /// Why the change failed, if it was seen to.
        error: Option<ErrorChain>,
    },
    /// The run is over and the lock is given back. The last event of every run.
    #[non_exhaustive]
    RunEnded {
        /// How long it took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
        /// What it found and did; none for a verify and for a run that could not even look.
        report: Option<Box<Report>>,
        /// Why it did not succeed; none if it did.
        error: Option<Failure>,
    },
}

/// Why a run did not succeed, as texts.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// What programs tell failures apart by, in JSON a word such as `"changes_failed"`.
    pub kind: ErrorKind,
    /// What happened and what to do next, for people.
    pub message: String,
    /// What it comes from, outermost first.
    pub causes: Vec<String>,
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Failure {
        let causes = std::error::Error::source(error).map_or_else(Vec::new, texts);
        Failure {
            kind: error.kind(),
            message: error.message().to_owned(),
            causes,
        }
    }
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1000.0)
}

impl fmt::Display for Event {
    /// One line, but for a run's end with all its report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = self.work.as_str();
        match &self.kind {
            EventKind::RunStarted => write!(f, "{work} of {:?} started", self.service),
            EventKind::Planned { changes } => write!(f, "{} to {work}", plural(*changes, "change")),
            EventKind::LockWaited { holder } => {
                write!(f, "waiting for the lock, held by {}", holder.clone())
            }
            EventKind::LockObtained { .. } => f.write_str("lock obtained"),
            EventKind::LockLost { reason } => write!(f, "lock lost: {}", Visible(reason)),
            EventKind::LockReleased => f.write_str("lock given back"),
            EventKind::StageStarted { stage } => write!(f, "stage {stage:?} started"),
            EventKind::StageEnded { stage, halted, .. } => {
                let how = if *halted { "was halted" } else { "ended" };
                write!(f, "stage {stage:?} {how}")
            }
            EventKind::TargetWaited { target, error } => {
                write!(f, "waiting for the target system {target:?}: {error}")
            }
            EventKind::TargetReady { target, .. } => {
                write!(f, "the target system {target:?} is ready")
            }
            EventKind::ChangeStarted { id, .. } => write!(f, "{id:?} started ({work})"),
            EventKind::StepStarted {
                id,
                step,
                steps,
                rollback,
                ..
            } => {
                let what = if *rollback {
                    "rolling back step"
                } else {
                    "step"
                };
                write!(f, "{id:?} {what} {step} of {steps}")
            }
            EventKind::StepEnded {
                id,
                step,
                steps,
                rollback,
                error,
                ..
            } => {
                let what = if *rollback {
                    "rollback of step"
                } else {
                    "step"
                };
                let how = if error.is_some() { "failed" } else { "done" };
                write!(f, "{id:?} {what} {step} of {steps} {how}")?;
                match error {
                    Some(error) => write!(f, ": {error}"),
                    None => Ok(()),
                }
            }
            EventKind::ChangeEnded { change, .. } => {
                write!(f, "{:?} {}", change.id, change.outcome)?;
                match &change.error {
                    Some(error) => write!(f, ": {error} [target {}]", change.target),
                    None => Ok(()),
                }
            }
            EventKind::Probed(probe) => {
                write!(f, "{:?} ", probe.change_id)?;
                match (&probe.error, probe.there) {
                    (Some(error), _) => write!(f, "could not be verified: {error}"),
                    (None, Some(true)) => f.write_str("is there"),
                    (None, _) => f.write_str("is not there"),
                }
            }
            EventKind::IssueFound { id, cause, .. } => {
                write!(f, "{id:?} needs manual resolution: {cause}")
            }
            EventKind::RunEnded { report, error, .. } => match (error, report) {
                (Some(error), _) => f.write_str(&error.message),
                (None, Some(report)) => write!(f, "{report}"),
                (None, None) => write!(f, "{work} of {:?} ended", self.service),
            },
        }
    }
}
