//! The results of a run: its report, its error, its issues, and the results of the verify
//! functions.

pub(crate) mod error;
pub(crate) mod issue;
pub(crate) mod run;
pub(crate) mod services;
pub(crate) mod text;
pub(crate) mod verify;

pub use self::error::{Error, ErrorKind};
pub use self::issue::{Issue, Resolution, Resolved};
pub use self::run::{
    ChangeReport, Counts, MissingChange, Outcome, Report, StageReport, StepOutcome, StepReport,
    TargetReport,
};
pub use self::services::{LastRun, ServiceStatus};
pub use self::verify::{Verdict, VerifyReport};
pub use crate::change::problem::{Location, Problem};
pub use crate::plan::decision::Cause;
pub use crate::plan::note::Note;
