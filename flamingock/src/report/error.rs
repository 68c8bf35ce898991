//! Why a run did not succeed, and what to do next.

use std::fmt;

use super::run::{ChangeReport, Report};
use crate::audit::snapshot::LockRow;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::problem::Problem;
use crate::lock::options::Holder;
use crate::util::error_chain::ErrorChain;
use crate::util::plural::plural;
use crate::util::visible::Visible;

/// Why a run did not succeed. Where anything ran, the report says what.
///
/// `Display` says what happened and what to do next; `Debug` says the same and adds the causes, so
/// that a `main` which returns the error tells all of it. Both escape whatever a terminal would act
/// on in names and in the texts of others.
#[non_exhaustive]
pub enum Error {
    /// The registry, the pipeline or the arguments of changes are wrong. Nothing ran, nothing was
    /// locked, and all problems are here.
    Invalid(Vec<Problem>),
    /// A change failed, or was not started since its target system was not ready. What else ran
    /// stands in the report, and so does a request to stop.
    ChangesFailed(Box<Report>),
    /// A change needs manual resolution. What does not depend on it ran.
    Issues(Box<Report>),
    /// Changes are pending, and the mode is to check only. Nothing ran.
    Pending(Box<Report>),
    /// Another run has the lock, for longer than this one may wait. Nothing ran.
    LockTimeout {
        /// Who has it.
        holder: Option<Box<Holder>>,
        /// What is pending.
        report: Box<Report>,
    },
    /// The lock is, or may be, another's. What was running was cut; nothing was written since.
    LeaseLost {
        /// How that is known.
        reason: String,
        /// What ran before.
        report: Box<Report>,
    },
    /// It could not be found out, or not be recorded, what became of a change. The next start
    /// finds out, or makes it an issue.
    OutcomeUnknown(Box<Report>),
    /// The run was asked to stop before its end, and no change failed.
    Cancelled(Box<Report>),
    /// The audit or the lock could not be read or written. Nothing ran, or the report says what.
    Store {
        /// What could not be done.
        source: StoreError,
        /// What ran before, if anything could.
        report: Option<Box<Report>>,
    },
}

impl Error {
    /// The report of the run, where there is one.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Error::Invalid(_) => None,
            Error::ChangesFailed(report)
            | Error::Issues(report)
            | Error::Pending(report)
            | Error::OutcomeUnknown(report)
            | Error::Cancelled(report)
            | Error::LockTimeout { report, .. }
            | Error::LeaseLost { report, .. } => Some(report),
            Error::Store { report, .. } => report.as_deref(),
        }
    }

    pub(crate) fn report_mut(&mut self) -> Option<&mut Report> {
        match self {
            Error::Invalid(_) => None,
            Error::ChangesFailed(report)
            | Error::Issues(report)
            | Error::Pending(report)
            | Error::OutcomeUnknown(report)
            | Error::Cancelled(report)
            | Error::LockTimeout { report, .. }
            | Error::LeaseLost { report, .. } => Some(report),
            Error::Store { report, .. } => report.as_deref_mut(),
        }
    }

    /// What programs tell failures apart by, in the JSON of the command line and of listeners:
    /// "invalid", "changes_failed", "issues", "pending", "lock_timeout", "lease_lost",
    /// "outcome_unknown", "cancelled" or "store". Pending changes of which one needs manual resolution are
    /// "issues"; a store that refused a row because the lock is another's is "lease_lost".
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Invalid(_) => "invalid",
            Error::ChangesFailed(_) => "changes_failed",
            Error::Issues(_) => "issues",
            Error::Pending(report) if report.changes().any(is_issue) => "issues",
            Error::Pending(_) => "pending",
            Error::LockTimeout { .. } => "lock_timeout",
            Error::LeaseLost { .. } => "lease_lost",
            Error::OutcomeUnknown(_) => "outcome_unknown",
            Error::Cancelled(_) => "cancelled",
            Error::Store { source, .. } if source.kind == StoreErrorKind::Refused => "lease_lost",
            Error::Store { .. } => "store",
        }
    }

    /// What is wrong before anything has run; empty for every other error.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Error::Invalid(problems) => problems,
            _ => &[],
        }
    }

    /// What it comes from, outermost first, and nothing twice.
    pub(crate) fn causes(&self) -> Vec<String> {
        let chain = std::error::Error::source(self).map(ErrorChain::of);
        chain.map_or_else(Vec::new, |chain| chain.causes().to_vec())
    }

    /// Whether the server takes no writes, and another one may soon.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Error::Store { source, .. } if source.kind == StoreErrorKind::ReadOnly)
    }

    pub(crate) fn store(source: StoreError) -> Error {
        Error::Store {
            source,
            report: None,
        }
    }

    pub(crate) fn lock_timeout(holder: Option<LockRow>, report: Report) -> Error {
        Error::LockTimeout {
            holder: holder.map(|row| Box::new(Holder(row))),
            report: Box::new(report),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its own words stand in ours.
            Error::Store { source, .. } => std::error::Error::source(source),
            _ => None,
        }
    }
}

/// For people: this is what `main` prints when it returns the error, and `unwrap` when it panics.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for cause in self.causes() {
            write!(f, "\ncaused by: {}", Visible(cause))?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(problems) => {
                write!(
                    f,
                    "{} before anything ran:",
                    plural(problems.len(), "problem")
                )?;
                for problem in problems {
                    write!(f, "\n  {problem}")?;
                }
                Ok(())
            }
            Error::ChangesFailed(report) => {
                write!(f, "{} failed. {report}", names(report, has_failed))?;
                next_steps(f, report)
            }
            Error::Issues(report) => {
                write!(
                    f,
                    "manual resolution is needed for {}. {report}",
                    names(report, is_issue)
                )?;
                next_steps(f, report)
            }
            Error::Pending(report) => {
                write!(
                    f,
                    "changes are pending, and the mode is to check only. {report}"
                )
            }
            Error::LockTimeout { holder, report } => {
                write!(
                    f,
                    "the lock of the service {:?} was not obtained in time",
                    report.service
                )?;
                match holder {
                    Some(holder) => write!(
                        f,
                        ": it is held by {holder}. If that process is gone, the lock is free when its lease ends: start again then"
                    ),
                    None => f.write_str(": others were faster every time. Start again"),
                }
            }
            Error::LeaseLost { reason, report } => {
                write!(
                    f,
                    "the lease was lost ({}): nothing was recorded after that, and another run may go on. Start again. ",
                    Visible(reason)
                )?;
                failed_for_certain(f, report)?;
                write!(f, "{report}")?;
                next_steps(f, report)
            }
            Error::OutcomeUnknown(report) => {
                write!(
                    f,
                    "what became of {} is not known, or not on record. Start again when the database is there: the start finds out, or says what an operator must decide. ",
                    names(report, |change| change.in_doubt)
                )?;
                failed_for_certain(f, report)?;
                write!(f, "{report}")?;
                next_steps(f, report)
            }
            Error::Cancelled(report) => {
                write!(
                    f,
                    "the run was asked to stop before its end; what did not run is still pending. {report}"
                )?;
                next_steps(f, report)
            }
            // What failed stands in `source()`.
            Error::Store { source, report } => {
                write!(f, "{source}")?;
                match report {
                    Some(report) => write!(f, ". {report}"),
                    None => Ok(()),
                }
            }
        }
    }
}

fn has_failed(change: &ChangeReport) -> bool {
    change.has_failed()
}

fn is_issue(change: &ChangeReport) -> bool {
    change.issue.is_some()
}

fn names(report: &Report, chosen: impl Fn(&ChangeReport) -> bool) -> String {
    let names: Vec<String> = report
        .changes()
        .filter(|change| chosen(change))
        .map(|change| format!("{:?}", change.id))
        .collect();
    if names.is_empty() {
        "a change".to_owned()
    } else {
        names.join(", ")
    }
}

/// Names the changes that failed in a run that ended for another reason.
fn failed_for_certain(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let failed = |change: &ChangeReport| change.has_failed() && !change.in_doubt;
    if report.changes().any(failed) {
        write!(f, "{} failed. ", names(report, failed))?;
    }
    Ok(())
}

/// What an operator must do, change by change.
fn next_steps(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    for change in report.changes().filter(|change| change.issue.is_some()) {
        let id = &change.id;
        write!(
            f,
            "\n{id:?} needs manual resolution: look at its target system {:?}. If its effect is there, record that with `runner.resolve({id:?}, Resolution::Applied, \"why\").await?`; if nothing of it is there, with `Resolution::RolledBack`, and the next start runs it",
            change.target
        )?;
    }
    Ok(())
}

pub(crate) fn invalid(message: &str) -> Error {
    Error::Invalid(vec![Problem::general(message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_the_causes_and_repeats_nothing() {
        let action = "could not read the audit";
        // As sqlx has it: its own error repeats the words of the database.
        #[derive(Debug, thiserror::Error)]
        #[error("error returned from database: {0}")]
        struct Outer(#[source] Box<dyn std::error::Error + Send + Sync>);
        let outer = Outer("no rights".into());
        let error = Error::store(StoreError::new(StoreErrorKind::Denied, action, outer));
        assert_eq!(error.to_string(), action);
        assert_eq!(
            format!("{error:?}"),
            "could not read the audit\ncaused by: error returned from database: no rights"
        );
    }
}
