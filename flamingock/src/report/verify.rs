//! The answer of a verify function, compared with the audit.

use serde::Serialize;

use crate::audit::entry::State;
use crate::plan::decision::Decision;
use crate::util::error_chain::ErrorChain;

/// The result of [`Runner::verify`](crate::Runner::verify) for one change: the answer of its verify
/// function, compared with the audit.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The id of the change.
    pub change_id: String,
    /// The stage of the change.
    pub stage: String,
    /// The target system of the change.
    pub target: String,
    /// The state of its latest entry; `None` if the change was never attempted.
    pub state: Option<State>,
    /// Whether the change is applied according to the audit.
    pub applied: bool,
    /// Whether the effect of the change is present according to its verify function; `None` if
    /// that function failed.
    pub present: Option<bool>,
    /// What the two together mean.
    pub verdict: Verdict,
    /// The error of the verify function, if it failed.
    pub error: Option<ErrorChain>,
}

/// What a verify function's answer and the audit together mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The answer agrees with the audit.
    Consistent,
    /// The audit says applied, but the effect is missing: it was removed outside Flamingock.
    Missing,
    /// The audit does not say applied, but the effect is present: a run would apply the change
    /// again.
    UnexpectedlyPresent,
    /// The next run calls the verify function itself, and records its answer.
    WillBeResolved,
    /// A run is working on the change: the answer may change at any moment.
    Running,
    /// The verify function failed.
    Unknown,
}

impl Verdict {
    pub(crate) fn of(decision: &Decision, present: Option<bool>, running: bool) -> Verdict {
        let Some(present) = present else {
            return Verdict::Unknown;
        };
        match decision {
            _ if running => Verdict::Running,
            Decision::Verify(_) | Decision::Resolve => Verdict::WillBeResolved,
            Decision::Skip | Decision::Again if !present => Verdict::Missing,
            Decision::Apply
            | Decision::Issue(_)
            | Decision::Filtered
            | Decision::Later(_)
            | Decision::Waits(_)
                if present =>
            {
                Verdict::UnexpectedlyPresent
            }
            Decision::Skip
            | Decision::Again
            | Decision::Apply
            | Decision::Issue(_)
            | Decision::Later(_)
            | Decision::Waits(_)
            | Decision::Filtered => Verdict::Consistent,
        }
    }
}

impl VerifyReport {
    /// Reports whether the verify function's answer agrees with the audit.
    pub fn agrees(&self) -> bool {
        self.present == Some(self.applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::decision::{Cause, WhenAbsent};

    #[test]
    fn verdict_compares_the_answer_with_the_audit() {
        let verify = Decision::Verify(WhenAbsent::Apply);
        let issue = Decision::Issue(Cause::Failed);
        for (decision, present, running, verdict) in [
            (Decision::Skip, Some(true), false, Verdict::Consistent),
            (Decision::Skip, Some(false), false, Verdict::Missing),
            (Decision::Skip, None, false, Verdict::Unknown),
            (Decision::Apply, Some(false), false, Verdict::Consistent),
            (
                Decision::Apply,
                Some(true),
                false,
                Verdict::UnexpectedlyPresent,
            ),
            (Decision::Apply, Some(true), true, Verdict::Running),
            (
                issue.clone(),
                Some(true),
                false,
                Verdict::UnexpectedlyPresent,
            ),
            (issue, Some(false), false, Verdict::Consistent),
            (verify.clone(), Some(true), false, Verdict::WillBeResolved),
            (verify.clone(), Some(false), true, Verdict::Running),
            (verify, None, true, Verdict::Unknown),
            (
                Decision::Resolve,
                Some(true),
                false,
                Verdict::WillBeResolved,
            ),
        ] {
            assert_eq!(
                Verdict::of(&decision, present, running),
                verdict,
                "{decision:?} {present:?}"
            );
        }
    }
}
