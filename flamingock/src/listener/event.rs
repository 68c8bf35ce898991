//! The events of a run.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::audit::snapshot::LockStatus;
use crate::plan::decision::Cause;
use crate::report::error::{Error, ErrorKind};
use crate::report::run::{ChangeReport, Report};
use crate::report::verify::VerifyReport;
use crate::util::error_chain::ErrorChain;
use crate::util::error_chain::texts;
use crate::util::plural::plural;
use crate::util::visible::Visible;

/// An event of a run.
///
/// Its JSON is one flat object: the fields of this struct, `event` with the kind's name
/// (`"change_ended"`), and the fields of that kind. Durations are in milliseconds, in fields whose
/// names end in `_ms`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The number of the event in the run, from 1.
    pub number: u64,
    /// The random id of the run, which the audit records too.
    pub run_id: String,
    /// The service.
    pub service: String,
    /// The operation that the run performs.
    pub work: Work,
    /// The time since the beginning of the run.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The operation that a run performs.
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
    /// Returns the name of the operation in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Run => "run",
            Work::Undo => "undo",
            Work::Verify => "verify",
        }
    }
}

/// The kind of an event.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run began. The first event of every run, even of one that is refused.
    RunStarted,
    /// The plan was computed: under the lock, or without it in a verify.
    #[non_exhaustive]
    Planned {
        /// The number of changes to run, undo or verify, unless something keeps the run from it.
        changes: usize,
    },
    /// Another run has the lock, and this run waits for it. Sent again every 30 seconds, and when
    /// the lock gets another owner.
    #[non_exhaustive]
    LockWaited {
        /// The lock and its owner.
        lock: LockStatus,
    },
    /// This run acquired the lock.
    #[non_exhaustive]
    LockObtained {
        /// The time since the beginning of the run.
        #[serde(rename = "waited_ms", serialize_with = "milliseconds")]
        waited: Duration,
    },
    /// The lock has, or may have, another owner: no more changes run, and nothing more is written.
    #[non_exhaustive]
    LockLost {
        /// The reason why the lock counts as lost.
        reason: String,
    },
    /// The lock was released.
    LockReleased,
    /// The first change of a stage is about to run. There is no such event for a stage in which
    /// nothing runs, nor for the stages of an undo or a verify.
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
        /// Whether a change of the stage kept the remaining ones from running.
        halted: bool,
        /// How long the stage took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
    },
    /// A target system is not ready yet, and its first change waits for it. Sent once.
    #[non_exhaustive]
    TargetWaited {
        /// The target system.
        target: String,
        /// The error of its readiness check.
        error: ErrorChain,
    },
    /// A target system with a readiness check is ready.
    #[non_exhaustive]
    TargetReady {
        /// The target system.
        target: String,
        /// How long the run waited for it.
        #[serde(rename = "waited_ms", serialize_with = "milliseconds")]
        waited: Duration,
    },
    /// A change begins: its function, its rollback in an undo, or its verify function in a verify.
    #[non_exhaustive]
    ChangeStarted {
        /// The change's id.
        id: String,
        /// The order of the change.
        order: String,
        /// The stage of the change.
        stage: String,
        /// The target system of the change.
        target: String,
        /// The number of the attempt at this change, from 1.
        attempt: u32,
    },
    /// A step of a change begins, or the rollback of a step.
    #[non_exhaustive]
    StepStarted {
        /// The change's id.
        id: String,
        /// The stage of the change.
        stage: String,
        /// The number of the step in the change, from 1.
        step: usize,
        /// The number of steps of the change.
        steps: usize,
        /// Whether it is the step's rollback.
        rollback: bool,
    },
    /// A step of a change ended, or the rollback of a step. An interrupted step has no such event.
    #[non_exhaustive]
    StepEnded {
        /// The change's id.
        id: String,
        /// The stage of the change.
        stage: String,
        /// The number of the step in the change, from 1.
        step: usize,
        /// The number of steps of the change.
        steps: usize,
        /// Whether it is the step's rollback.
        rollback: bool,
        /// How long it took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
        /// Why it failed; `None` if it succeeded.
        error: Option<ErrorChain>,
    },
    /// A batch of a change that works in batches was committed, or its cursor saved.
    #[non_exhaustive]
    BatchCommitted {
        /// The change's id.
        id: String,
        /// The stage of the change.
        stage: String,
        /// The number of the batch, from 1; earlier runs count.
        batch: i64,
        /// The number of rows that it did.
        rows: i64,
        /// The number of rows that all batches did.
        done_rows: i64,
        /// The number of rows that there are to do, if a batch estimated it.
        total_rows: Option<i64>,
        /// The rows a second in this run, pauses included.
        rows_per_second: Option<f64>,
        /// How long it took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
    },
    /// A function reported its progress with [`Context::progress`](crate::Context::progress).
    #[non_exhaustive]
    ChangeProgressed {
        /// The change's id.
        id: String,
        /// The stage of the change.
        stage: String,
        /// What is done, in the function's own unit.
        done: u64,
        /// The whole, if it is known.
        total: Option<u64>,
    },
    /// A change ended. There is no [`ChangeStarted`](Self::ChangeStarted) before it if the change
    /// could not run because its target system was not ready.
    #[non_exhaustive]
    ChangeEnded {
        /// The change's stage.
        stage: String,
        /// The number of the attempt at this change, from 1.
        attempt: u32,
        /// The result of the change, as in the run's report.
        #[serde(flatten)]
        change: Box<ChangeReport>,
    },
    /// The verify function of a change returned, or failed, in a verify.
    Verified(Box<VerifyReport>),
    /// A change needs manual resolution. Sent once in a run.
    #[non_exhaustive]
    IssueFound {
        /// The change's id.
        id: String,
        /// The stage of the change.
        stage: String,
        /// The target system of the change.
        target: String,
        /// The reason why manual resolution is needed.
        cause: Cause,
        /// Why the change failed; `None` if no failure was recorded.
        error: Option<ErrorChain>,
    },
    /// The run is over and the lock is released. The last event of every run.
    #[non_exhaustive]
    RunEnded {
        /// How long the run took.
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
        /// The report; `None` for a verify, and for a run that failed before its plan was computed.
        report: Option<Box<Report>>,
        /// Why the run failed; `None` if it succeeded.
        error: Option<Failure>,
    },
}

/// The error of a run, as text.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// The kind of the error, in JSON as a word such as `"changes_failed"`.
    pub kind: ErrorKind,
    /// What happened and what to do next, for people.
    pub message: String,
    /// The causes, outermost first.
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
    /// Writes one line; for the end of a run, the report or the error's message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = self.work.as_str();
        match &self.kind {
            EventKind::RunStarted => write!(f, "{work} of {:?} started", self.service),
            EventKind::Planned { changes } => write!(f, "{} to {work}", plural(*changes, "change")),
            EventKind::LockWaited { lock } => {
                write!(f, "waiting for the lock, held by {}", lock.clone())
            }
            EventKind::LockObtained { .. } => f.write_str("lock obtained"),
            EventKind::LockLost { reason } => write!(f, "lock lost: {}", Visible(reason)),
            EventKind::LockReleased => f.write_str("lock released"),
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
            EventKind::BatchCommitted {
                id,
                batch,
                done_rows,
                ..
            } => write!(f, "{id:?} batch {batch} committed, {done_rows} rows done"),
            EventKind::ChangeProgressed {
                id, done, total, ..
            } => match total {
                Some(total) => write!(f, "{id:?} did {done} of {total}"),
                None => write!(f, "{id:?} did {done}"),
            },
            EventKind::ChangeEnded { change, .. } => {
                write!(f, "{:?} {}", change.id, change.outcome)?;
                match &change.error {
                    Some(error) => write!(f, ": {error} [target {}]", change.target),
                    None => Ok(()),
                }
            }
            EventKind::Verified(report) => {
                write!(f, "{:?} ", report.change_id)?;
                match (&report.error, report.present) {
                    (Some(error), _) => write!(f, "could not be verified: {error}"),
                    (None, Some(true)) => f.write_str("is present"),
                    (None, _) => f.write_str("is absent"),
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
