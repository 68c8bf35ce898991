//! The answer of a verify function, compared with the audit.

use serde::Serialize;

use crate::audit::entry::State;
use crate::plan::decision::Decision;
use crate::util::error_chain::ErrorChain;

/// The result of [`Runner::verify`](crate::Runner::verify) for one change: the answer of its verify
/// function, compared with the audit.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Probe {
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
    /// Whether the change is applied according to its verify function; `None` if that function
    /// failed.
    pub there: Option<bool>,
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
    Agrees,
    /// The audit says applied, but the effect is missing: it was removed outside Flamingock.
    Gone,
    /// The audit does not say applied, but the effect is present: a run would apply the change
    /// again.
    ThereAlready,
    /// The next run calls the verify function itself, and records its answer.
    SettledByTheNextRun,
    /// A run is working on the change: the answer may change at any moment.
    Running,
    /// The verify function failed.
    NotKnown,
}

impl Verdict {
    pub(crate) fn of(decision: &Decision, there: Option<bool>, running: bool) -> Verdict {
        let Some(there) = there else {
            return Verdict::NotKnown;
        };
        match decision {
            _ if running => Verdict::Running,
            Decision::Verify(_) | Decision::Resolve => Verdict::SettledByTheNextRun,
            Decision::Skip | Decision::Again if !there => Verdict::Gone,
            Decision::Apply | Decision::Issue(_) | Decision::Filtered if there => {
                Verdict::ThereAlready
            }
            Decision::Skip
            | Decision::Again
            | Decision::Apply
            | Decision::Issue(_)
            | Decision::Filtered => Verdict::Agrees,
        }
    }
}

impl Probe {
    /// Reports whether the verify function's answer agrees with the audit.
    pub fn agrees(&self) -> bool {
        self.there == Some(self.applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::decision::{Cause, WhenAbsent};

    #[test]
    fn a_verdict_is_of_the_audit_and_the_probe() {
        let verify = Decision::Verify(WhenAbsent::Apply);
        let issue = Decision::Issue(Cause::Failed);
        for (decision, there, running, verdict) in [
            (Decision::Skip, Some(true), false, Verdict::Agrees),
            (Decision::Skip, Some(false), false, Verdict::Gone),
            (Decision::Skip, None, false, Verdict::NotKnown),
            (Decision::Apply, Some(false), false, Verdict::Agrees),
            (Decision::Apply, Some(true), false, Verdict::ThereAlready),
            (Decision::Apply, Some(true), true, Verdict::Running),
            (issue.clone(), Some(true), false, Verdict::ThereAlready),
            (issue, Some(false), false, Verdict::Agrees),
            (
                verify.clone(),
                Some(true),
                false,
                Verdict::SettledByTheNextRun,
            ),
            (verify.clone(), Some(false), true, Verdict::Running),
            (verify, None, true, Verdict::NotKnown),
            (
                Decision::Resolve,
                Some(true),
                false,
                Verdict::SettledByTheNextRun,
            ),
        ] {
            assert_eq!(
                Verdict::of(&decision, there, running),
                verdict,
                "{decision:?} {there:?}"
            );
        }
    }
}
