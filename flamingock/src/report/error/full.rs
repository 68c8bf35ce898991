//! `Display` and `Debug` of an error: the line for a log, and the full text.

use crate::change::names::DEFAULT;
use crate::report::error::Error;
use crate::report::run::ChangeReport;
use crate::util::shell::quote;
use crate::util::visible::Visible;
use std::fmt;

/// Writes the headline; `{:#}` writes the full text.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => full(self, f),
            false => f.write_str(&self.0.headline),
        }
    }
}

/// Writes the full text, which `main` prints when it returns the error, and `unwrap` when it
/// panics.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        full(self, f)
    }
}

/// Writes what happened, the causes, the report, and the commands for changes that need manual
/// resolution.
pub(super) fn full(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(error.message())?;
    for cause in error.causes() {
        write!(f, "\ncaused by: {}", Visible(cause))?;
    }
    if let Some(report) = error.report() {
        write!(f, "\n{report}")?;
    }
    for change in error.to_resolve() {
        next_steps(f, change, error)?;
    }
    if error.to_resolve().next().is_some() {
        f.write_str(
            "\nAn application with the feature `cli` has these commands itself: write its name in place of `flamingock --database-url ..`",
        )?;
    }
    Ok(())
}

fn next_steps(f: &mut fmt::Formatter<'_>, change: &ChangeReport, error: &Error) -> fmt::Result {
    let service = error.report().map_or("", |report| &report.service);
    let (name, id) = (&change.id, quote(&change.id));
    let service = match service {
        "" | DEFAULT => String::new(),
        named => format!(" --service {}", quote(named)),
    };
    let command = format!("flamingock --database-url \"$DATABASE_URL\"{service} issue");
    write!(
        f,
        "\n{name:?} needs manual resolution: look at its target system {:?}.\
         \n  what happened, and what to look at:\
         \n    {command} show {id} --guidance\
         \n  if its effect is there:\
         \n    {command} resolve {id} --applied --reason TEXT\
         \n  if nothing of it is there, and the next run is to apply it:\
         \n    {command} resolve {id} --rolled-back --reason TEXT\
         \n  in code: `runner.resolve({name:?}, Resolution::Applied, \"why\").await?`, or `Resolution::RolledBack`",
        change.target
    )
}
