//! The public error: kind, headline, problems, causes and report of a run that did not succeed.

pub(crate) mod full;
mod kind;
mod text;

pub use self::kind::ErrorKind;
use super::run::{ChangeReport, Outcome, Report};
use crate::audit::snapshot::LockStatus;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::problem::Problem;
use crate::util::error_chain::ErrorChain;

/// The reason why an operation did not succeed. If a run got as far as planning, its
/// [report](Self::report) lists the outcome of every change.
///
/// `Display` is one line, for a log. `{:#}` and `Debug` write the full text: what happened, the
/// causes, the report, and the next steps. A `main` that returns the error therefore prints all of
/// it. Every form escapes control characters in names and in texts from elsewhere, so that a
/// terminal does not interpret them.
///
/// ```
/// use flamingock::{Error, ErrorKind, MemoryStore, Mode, Runner, change, changes};
///
/// #[change(id = "warm-cache", order = "0001", register = false)]
/// async fn warm_cache() {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let runner = Runner::new(MemoryStore::new()).changes(changes![warm_cache]);
/// let error: Error = runner.mode(Mode::Check).run().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Pending);
/// assert_eq!(error.report().unwrap().counts().not_reached, 1);
/// assert_eq!(error.to_string(), "1 change is pending: the mode is check only, and nothing ran");
/// # }
/// ```
pub struct Error(Box<Parts>);

/// The content of an error, from which every form of text is made.
struct Parts {
    kind: ErrorKind,
    /// The first line, which stands alone in a log.
    headline: String,
    /// A longer text that replaces the headline in the full text.
    message: Option<String>,
    problems: Vec<Problem>,
    owner: Option<LockStatus>,
    /// The reason why the lease counts as lost.
    lost: Option<String>,
    source: Option<StoreError>,
    report: Option<Report>,
}

impl Error {
    fn new(kind: ErrorKind, headline: impl Into<String>, report: Option<Report>) -> Error {
        Error(Box::new(Parts {
            kind,
            headline: headline.into(),
            message: None,
            problems: Vec::new(),
            owner: None,
            lost: None,
            source: None,
            report,
        }))
    }

    fn with_message(mut self, message: String) -> Error {
        self.0.message = Some(message);
        self
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the first line, as `Display` writes it.
    pub fn headline(&self) -> &str {
        &self.0.headline
    }

    /// Returns the report of the run, if there is one.
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    /// Returns the report of the run, if there is one, and drops the error.
    pub fn into_report(self) -> Option<Report> {
        self.0.report
    }

    /// Returns the problems that were found before anything ran; empty unless the kind is
    /// [`Invalid`](ErrorKind::Invalid).
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Returns the owner of the lock after a lock timeout, if it is known.
    pub fn lock_owner(&self) -> Option<&LockStatus> {
        self.0.owner.as_ref()
    }

    /// Returns the error of the store, if the store caused the failure.
    pub fn store_error(&self) -> Option<&StoreError> {
        self.0.source.as_ref()
    }
}

impl Error {
    pub(crate) fn invalid(problems: Vec<Problem>) -> Error {
        let (headline, message) = text::invalid(&problems);
        let mut error = Error::new(ErrorKind::Invalid, headline, None).with_message(message);
        error.0.problems = problems;
        error
    }

    pub(crate) fn changes_failed(report: Report) -> Error {
        let (headline, message) = text::changes_failed(&report);
        Error::new(ErrorKind::ChangesFailed, headline, Some(report)).with_message(message)
    }

    pub(crate) fn issues(report: Report) -> Error {
        let headline = text::issues(&report);
        Error::new(ErrorKind::Issues, headline, Some(report))
    }

    /// Creates the error of a run that could not do everything, although nothing failed: a change
    /// needs manual resolution, or waits for one in the background.
    pub(crate) fn blocked(report: Report) -> Error {
        let waits = |change: &ChangeReport| {
            change.outcome == Outcome::Blocked && change.issue.is_none() && change.error.is_some()
        };
        if report.changes().any(|change| change.issue.is_some()) {
            return Error::issues(report);
        }
        let (headline, message) = match report.changes().any(waits) {
            true => text::waiting(&report),
            false => text::left(&report),
        };
        Error::new(ErrorKind::Pending, headline, Some(report)).with_message(message)
    }

    /// Creates the error for pending changes that the mode does not allow to run. An issue takes
    /// precedence.
    pub(crate) fn pending(report: Report) -> Error {
        if report.changes().any(|change| change.issue.is_some()) {
            return Error::issues(report);
        }
        let (headline, message) = text::pending(&report);
        Error::new(ErrorKind::Pending, headline, Some(report)).with_message(message)
    }

    pub(crate) fn lock_timeout(owner: Option<LockStatus>, report: Report) -> Error {
        let (headline, message) = text::lock_timeout(owner.as_ref(), &report);
        let mut error = Error::new(ErrorKind::LockTimeout, headline, Some(report));
        error.0.owner = owner;
        error.with_message(message)
    }

    pub(crate) fn lease_lost(reason: String, report: Report) -> Error {
        let (headline, message) = text::lease_lost(&reason, &report);
        let mut error = Error::new(ErrorKind::LeaseLost, headline, Some(report));
        error.0.lost = Some(reason);
        error.with_message(message)
    }

    pub(crate) fn in_doubt(report: Report) -> Error {
        let (headline, message) = text::in_doubt(&report);
        Error::new(ErrorKind::InDoubt, headline, Some(report)).with_message(message)
    }

    pub(crate) fn cancelled(report: Report) -> Error {
        Error::new(ErrorKind::Cancelled, text::CANCELLED, Some(report))
    }

    pub(crate) fn store(source: StoreError) -> Error {
        let kind = match source.kind {
            StoreErrorKind::Refused => ErrorKind::LeaseLost,
            _ => ErrorKind::Store,
        };
        let (headline, message) = text::store(&source);
        let mut error = Error::new(kind, headline, None).with_message(message);
        error.0.source = Some(source);
        error
    }

    /// Returns what happened, without the causes and the report: the message if there is one,
    /// otherwise the headline.
    pub(crate) fn message(&self) -> &str {
        self.0.message.as_deref().unwrap_or(&self.0.headline)
    }

    pub(crate) fn report_mut(&mut self) -> Option<&mut Report> {
        self.0.report.as_mut()
    }

    /// Returns the causes, outermost first, without repetitions.
    pub(crate) fn causes(&self) -> Vec<String> {
        let chain = std::error::Error::source(self).map(ErrorChain::of);
        chain.map_or_else(Vec::new, |chain| chain.causes().to_vec())
    }

    pub(crate) fn into_problems(self) -> Result<Vec<Problem>, Error> {
        match self.0.kind {
            ErrorKind::Invalid => Ok(self.0.problems),
            _ => Err(self),
        }
    }

    /// Returns the reason why the lease counts as lost.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.0.lost.as_deref()
    }

    /// Returns the changes that need manual resolution.
    pub(crate) fn to_resolve(&self) -> impl Iterator<Item = &ChangeReport> {
        let changes = self.report().into_iter().flat_map(Report::changes);
        changes.filter(|change| change.issue.is_some())
    }

    /// Reports whether the database was away or busy, which may pass by itself.
    pub(crate) fn may_pass(&self) -> bool {
        self.store_error().is_some_and(|error| {
            matches!(
                error.kind,
                StoreErrorKind::Disconnected
                    | StoreErrorKind::ReadOnly
                    | StoreErrorKind::Busy
                    | StoreErrorKind::Conflict
            )
        })
    }

    pub(crate) fn is_store(&self, kind: StoreErrorKind) -> bool {
        self.store_error().is_some_and(|error| error.kind == kind)
    }
}

/// Creates an error with a single problem that has no place in the source.
pub(crate) fn invalid(message: &str) -> Error {
    Error::invalid(vec![Problem::general(message)])
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text of the store's error is the headline already, so the chain begins with its
        // cause.
        let store = self.0.source.as_ref()?;
        std::error::Error::source(store)
    }
}

#[cfg(test)]
mod tests;
