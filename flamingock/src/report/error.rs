//! Why a run did not succeed, and what to do next.

pub(crate) mod full;
mod kind;
mod text;

pub use self::kind::ErrorKind;
use super::run::{ChangeReport, Report};
use crate::audit::snapshot::LockStatus;
use crate::audit::store_error::{StoreError, StoreErrorKind};
use crate::change::problem::Problem;
use crate::util::error_chain::ErrorChain;

/// Why a run did not succeed. Where anything ran, the [report](Self::report) says what.
///
/// `Display` is one line, for a log. `{:#}` and `Debug` give the full text for people: what happened,
/// the causes, the report, and what to do next, so that a `main` that returns the error prints all of
/// it. All of them escape what a terminal would act on in names and in the texts of others.
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
/// assert_eq!(error.to_string(), "1 change is pending: the mode is to check only, and nothing ran");
/// # }
/// ```
pub struct Error(Box<Parts>);

/// What an error is made of. Everything that is printed of it is made of these.
struct Parts {
    kind: ErrorKind,
    /// The first line, which stands alone.
    headline: String,
    /// What people read in its place, where a line is too short for it.
    message: Option<String>,
    problems: Vec<Problem>,
    owner: Option<LockStatus>,
    /// How it is known that the lease was lost.
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

    /// Returns what kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the first line, as `Display` writes it.
    pub fn headline(&self) -> &str {
        &self.0.headline
    }

    /// Returns the report of the run, where there is one.
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    /// Takes the report of the run, where there is one.
    pub fn into_report(self) -> Option<Report> {
        self.0.report
    }

    /// Returns what is wrong before anything has run; empty unless the kind is
    /// [`Invalid`](ErrorKind::Invalid).
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Returns the owner of the lock that the run waited for in vain, if it is known.
    pub fn lock_owner(&self) -> Option<&LockStatus> {
        self.0.owner.as_ref()
    }

    /// Returns what the store could not do, if that is the reason.
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

    /// Changes are pending that may not run. One that needs manual resolution comes first.
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

    /// What happened, without its causes and its report: the headline, or more where people read it.
    pub(crate) fn message(&self) -> &str {
        self.0.message.as_deref().unwrap_or(&self.0.headline)
    }

    pub(crate) fn report_mut(&mut self) -> Option<&mut Report> {
        self.0.report.as_mut()
    }

    /// What it comes from, outermost first, and nothing twice.
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

    /// How the run found out that its lease was lost.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.0.lost.as_deref()
    }

    /// The changes that need manual resolution.
    pub(crate) fn to_resolve(&self) -> impl Iterator<Item = &ChangeReport> {
        let changes = self.report().into_iter().flat_map(Report::changes);
        changes.filter(|change| change.issue.is_some())
    }

    pub(crate) fn is_store(&self, kind: StoreErrorKind) -> bool {
        self.store_error().is_some_and(|error| error.kind == kind)
    }
}

/// One thing that is wrong, about no place in the source.
pub(crate) fn invalid(message: &str) -> Error {
    Error::invalid(vec![Problem::general(message)])
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Its own words are the headline.
        let store = self.0.source.as_ref()?;
        std::error::Error::source(store)
    }
}

#[cfg(test)]
mod tests;
