//! What a `#[verify]` function answers, beside what the audit says.

use serde::Serialize;

use crate::audit::entry::State;
use crate::plan::decision::Decision;
use crate::util::error_chain::ErrorChain;

/// What the probe of a change answers, beside what the audit says.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Probe {
    /// The change's id.
    pub change_id: String,
    /// Its stage.
    pub stage: String,
    /// Its target system.
    pub target: String,
    /// What its newest entry says; none if it was never tried.
    pub state: Option<State>,
    /// Whether the audit has it as applied.
    pub applied: bool,
    /// Whether its effect is there; none if the probe failed.
    pub there: Option<bool>,
    /// What the two mean together.
    pub verdict: Verdict,
    /// Why the probe failed.
    pub error: Option<ErrorChain>,
}

/// What a probe's answer means beside the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is so.
    Agrees,
    /// It is applied, and its effect is not there: somebody has taken it away.
    Gone,
    /// It is not applied, and its effect is there: a run would apply it again.
    ThereAlready,
    /// The next run finds out by itself, and records it.
    SettledByTheNextRun,
    /// A run is at work at it: the answer may be another one in a moment.
    Running,
    /// The probe failed.
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
    /// Whether the audit says what the probe says.
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
