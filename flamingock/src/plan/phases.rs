//! What a plan leaves to the background, and what waits for it. Pure: no clock, no store, no async.

use super::decision::{Decision, Wait};
use super::step::is_applied;
use super::steps::Plan;
use crate::audit::grant::background_lane;
use crate::audit::snapshot::LockStatus;

impl Plan {
    /// Leaves the changes in the background for later.
    pub(crate) fn leave_background(&mut self) {
        for step in self.stages.iter_mut().flatten() {
            if step.definition.is_background()
                && !matches!(step.decision, Decision::Skip | Decision::Filtered)
            {
                let decision = std::mem::replace(&mut step.decision, Decision::Skip);
                step.decision = Decision::Later(Box::new(decision));
            }
        }
    }

    /// Keeps the changes from running that an operator halted, and those that require one in the
    /// background which is not applied.
    pub(crate) fn hold_back(&mut self) {
        for step in self.stages.iter_mut().flatten() {
            if let Some(text) = step.halted()
                && step.is_pending()
                && !step.definition.is_background()
            {
                step.decision = Decision::Waits(Box::new(Wait::Halted(text)));
            }
        }
        if !self.steps().any(|step| step.definition.requires.is_some()) {
            return;
        }
        let open: Vec<&'static str> = self
            .steps()
            .filter(|step| step.definition.is_background())
            .filter(|step| {
                let latest = step.latest.as_ref();
                let applied = latest.is_some_and(|latest| is_applied(&latest.state));
                !applied && step.decision != Decision::Skip
            })
            .map(|step| step.definition.id)
            .collect();
        for step in self.stages.iter_mut().flatten() {
            let required = step.definition.requires;
            let required = required.and_then(|id| open.iter().find(|open| **open == id));
            if let (Some(id), true) = (required, step.is_pending()) {
                step.decision = Decision::Waits(Box::new(Wait::Required { id, progress: None }));
            }
        }
    }

    /// Keeps the changes from running that another version of the application works on in the
    /// background.
    pub(crate) fn wait_for_lanes(&mut self, lanes: &[LockStatus]) {
        for step in self.stages.iter_mut().flatten() {
            let is_settled = matches!(
                step.decision,
                Decision::Skip | Decision::Filtered | Decision::Later(_) | Decision::Waits(_)
            );
            if step.definition.is_background() || is_settled {
                continue;
            }
            let lane = background_lane(step.definition.id);
            if let Some(lock) = lanes.iter().find(|lock| lock.held && lock.lane == lane) {
                step.decision = Decision::Waits(Box::new(Wait::InBackground(lock.clone())));
            }
        }
    }

    /// Reports whether a change in the background is not applied.
    pub(crate) fn has_background_work(&self) -> bool {
        self.steps()
            .any(|step| matches!(step.decision, Decision::Later(_)))
    }
}
