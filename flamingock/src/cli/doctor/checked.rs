//! The result of a check, and how checks read the database.

use serde::Serialize;

use crate::audit::store_error::StoreError;
use crate::cli::table::Tone;
use crate::target::database::Database;
use crate::util::error_chain::ErrorChain;

/// The result of one check.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) finding: String,
    /// What to do; `None` if there is nothing to do.
    pub(super) next: Option<String>,
}

/// The verdict of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    /// Works, within the limits that the finding names.
    Note,
    /// A run would fail.
    Problem,
}

impl Verdict {
    pub(super) fn cell(self) -> (String, Tone) {
        let (word, tone) = match self {
            Verdict::Ok => ("ok", Tone::Good),
            Verdict::Note => ("note", Tone::Waiting),
            Verdict::Problem => ("problem", Tone::Bad),
        };
        (word.to_owned(), tone)
    }
}

impl Checked {
    pub(super) fn ok(check: &'static str, finding: impl Into<String>) -> Checked {
        Checked {
            check,
            verdict: Verdict::Ok,
            finding: finding.into(),
            next: None,
        }
    }

    pub(super) fn note(
        check: &'static str,
        finding: impl Into<String>,
        next: impl Into<String>,
    ) -> Checked {
        Checked {
            verdict: Verdict::Note,
            next: Some(next.into()),
            ..Checked::ok(check, finding)
        }
    }

    pub(super) fn problem(
        check: &'static str,
        finding: impl Into<String>,
        next: impl Into<String>,
    ) -> Checked {
        Checked {
            verdict: Verdict::Problem,
            ..Checked::note(check, finding, next)
        }
    }
}

/// Returns an error with its causes, in one line.
pub(super) fn text(error: &StoreError) -> String {
    ErrorChain::of(error).causes().join(": ")
}

/// Returns the first column of the first row.
pub(super) async fn first(database: &dyn Database, query: &str) -> Result<String, StoreError> {
    let mut rows = database.read(query.to_owned()).await?.into_iter();
    let columns = rows.next().unwrap_or_default();
    Ok(columns.into_iter().next().flatten().unwrap_or_default())
}
