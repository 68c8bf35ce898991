//! The decision about one change, and what it depends on. Pure: no clock, no store, no async.

use super::decision::{Batches, Cause, Code, Decision, Recorded, WhenAbsent, decide};
use super::note::Note;
use crate::audit::entry::{LatestEntry, Origin, State, UNKNOWN_DIGEST};
use crate::change::batch::IN_BATCHES;
use crate::change::definition::{Definition, Recovery, Repeat};
use crate::change::step::ROLLBACK_ELSEWHERE;
use crate::util::shell::quote;
use crate::util::visible::Visible;

/// A change, and the decision about it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) definition: &'static Definition,
    pub(crate) decision: Decision,
    /// The number of the attempt that a run would make now.
    pub(crate) attempt: u32,
    /// Boxed, because most runs find nothing to do and have no entries.
    pub(crate) latest: Option<Box<LatestEntry>>,
    pub(crate) notes: Vec<Note>,
}

impl Step {
    /// Reports whether an undo of the change was interrupted and can be completed, because its
    /// marker or its verify function shows how far it came.
    pub(crate) fn is_half_undone(&self) -> bool {
        let can_be_told = matches!(
            self.decision,
            Decision::Resolve | Decision::Verify(WhenAbsent::RolledBack)
        );
        self.is_of_undo() && can_be_told
    }

    /// Reports whether an undo of the change in batches has begun: the next one continues.
    pub(crate) fn is_rolling_back(&self) -> bool {
        self.decision != Decision::Filtered
            && self.is_of_undo()
            && self.latest.as_deref().is_some_and(in_batches)
    }

    fn is_of_undo(&self) -> bool {
        let latest = self.latest.as_ref();
        latest.is_some_and(|latest| latest.origin == Origin::Undo)
    }

    /// Reports whether an operator cancelled the change in batches, so that an undo can reverse what
    /// it did.
    pub(crate) fn is_cancelled(&self) -> bool {
        let latest = self.latest.as_ref();
        self.decision != Decision::Filtered
            && latest.is_some_and(|latest| latest.state == State::Cancelled)
    }

    /// Reports whether nothing of an earlier attempt is left: a change in batches has no progress.
    pub(crate) fn begins_anew(&self) -> bool {
        self.latest.as_ref().is_none_or(|latest| {
            matches!(latest.state, State::RolledBack | State::MarkedRolledBack)
                || !in_batches(latest)
        })
    }

    /// Returns why the change needs manual resolution, as the last run recorded it. The next run
    /// may still resolve it by itself.
    pub(crate) fn issue(&self) -> Option<Cause> {
        match &self.decision {
            Decision::Issue(cause) => Some(cause.clone()),
            Decision::Verify(_) | Decision::Resolve => self.latest.as_deref().and_then(found_out),
            Decision::Apply => {
                let latest = self.latest.as_deref().filter(|latest| in_batches(latest));
                latest.and_then(found_out)
            }
            Decision::Later(_) | Decision::Waits(_) => None,
            Decision::Skip | Decision::Again | Decision::Filtered => None,
        }
    }

    /// Returns why the change does not run until an operator resumes it; `None` if none halted it.
    pub(crate) fn halted(&self) -> Option<String> {
        let latest = self.latest.as_deref()?;
        let what = match latest.state {
            State::Paused => "paused",
            State::Cancelled => "cancelled",
            _ => return None,
        };
        let by = latest.operator.as_deref().unwrap_or("an operator");
        let reason = latest.reason.as_deref().unwrap_or("no reason");
        let id = quote(&latest.change_id);
        Some(format!(
            "{} {what} it: {}; `batch resume {id}` continues",
            Visible(by),
            Visible(reason)
        ))
    }

    /// Reports whether a run would work on the change, unless something keeps it from that.
    pub(crate) fn is_pending(&self) -> bool {
        match self.decision {
            Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve => true,
            Decision::Skip
            | Decision::Issue(_)
            | Decision::Filtered
            | Decision::Later(_)
            | Decision::Waits(_) => false,
        }
    }

    /// Returns the last version that had the change, if it is retired and not applied.
    pub(crate) fn retired_too_early(&self) -> Option<&'static str> {
        match self.decision {
            Decision::Skip | Decision::Again | Decision::Filtered => None,
            Decision::Apply
            | Decision::Verify(_)
            | Decision::Resolve
            | Decision::Issue(_)
            | Decision::Later(_)
            | Decision::Waits(_) => self.definition.retired_since(),
        }
    }

    /// Returns the digest of the applied version of a change that is to be applied again.
    pub(crate) fn applied_before(&self) -> Option<&str> {
        match self.decision {
            Decision::Again => self.latest.as_ref().map(|latest| latest.digest.as_str()),
            Decision::Apply
            | Decision::Skip
            | Decision::Verify(_)
            | Decision::Resolve
            | Decision::Issue(_)
            | Decision::Later(_)
            | Decision::Waits(_)
            | Decision::Filtered => None,
        }
    }
}

/// Returns what the decision needs of a definition.
pub(crate) fn code(definition: &Definition) -> Code {
    Code {
        recovery: definition.recovery,
        has_verify: definition.verify.is_some(),
        repeat: definition.repeat,
        batches: match (definition.body.cursor(), definition.body.transaction) {
            (None, _) => Batches::No,
            (Some(_), true) => Batches::Transactional,
            (Some(_), false) => Batches::Plain,
        },
    }
}

/// Returns what the decision needs of the definition at the time of the latest entry. The audit
/// does not record whether there was a verify function.
pub(crate) fn recorded_code(latest: &LatestEntry) -> Code {
    Code {
        // An unknown setting must not allow a run to try again.
        recovery: latest.recovery.unwrap_or(Recovery::Manual),
        has_verify: false,
        repeat: Repeat::Once,
        batches: Batches::No,
    }
}

/// Returns the cause for which the last run could not resolve an attempt.
pub(crate) fn found_out(latest: &LatestEntry) -> Option<Cause> {
    Cause::found_out(latest.error.as_ref())
}

/// Reports whether a rollback began in a transaction of the target system, whose marker shows how
/// it ended.
pub(crate) fn rolls_back_elsewhere(latest: &LatestEntry) -> bool {
    latest.state == State::Failed && latest.reason.as_deref() == Some(ROLLBACK_ELSEWHERE)
}

/// Reports whether the latest attempt is unfinished and works in batches.
pub(crate) fn in_batches(latest: &LatestEntry) -> bool {
    let is_of_an_operator = matches!(
        latest.state,
        State::Paused | State::Cancelled | State::Resumed
    );
    is_of_an_operator || latest.reason.as_deref() == Some(IN_BATCHES)
}

/// Returns what the decision needs of the latest entry. `digest` is that of the code.
pub(crate) fn recorded<'a>(latest: &'a LatestEntry, digest: &str) -> Recorded<'a> {
    Recorded {
        state: &latest.state,
        mode: &latest.transaction_mode,
        origin: &latest.origin,
        changed: latest.digest != digest,
        rolls_back_elsewhere: rolls_back_elsewhere(latest),
        in_batches: in_batches(latest),
    }
}

pub(super) fn step(
    definition: &'static Definition,
    latest: Option<LatestEntry>,
    selected: bool,
) -> Step {
    let recorded = latest
        .as_ref()
        .map(|latest| recorded(latest, definition.digest));
    let decided = decide(recorded.as_ref(), code(definition));
    let moved = latest
        .as_ref()
        .is_some_and(|latest| latest.target != definition.target);
    let is_unfinished = latest.as_ref().is_some_and(|latest| {
        matches!(
            latest.state,
            State::Started | State::Failed | State::Paused | State::Cancelled | State::Resumed
        )
    });
    let decision = match decided {
        _ if !selected => Decision::Filtered,
        // The marker and the verify function of the new target system say nothing about the old
        // one.
        Decision::Verify(_) | Decision::Resolve if moved => Decision::Issue(Cause::TargetChanged),
        Decision::Issue(Cause::UndoUnfinished) if moved => Decision::Issue(Cause::TargetChanged),
        // So does the progress.
        Decision::Apply if moved && is_unfinished && definition.body.cursor().is_some() => {
            Decision::Issue(Cause::TargetChanged)
        }
        Decision::Issue(cause @ (Cause::Interrupted | Cause::Failed | Cause::UndoInterrupted)) => {
            Decision::Issue(latest.as_ref().and_then(found_out).unwrap_or(cause))
        }
        decided => decided,
    };
    let mut notes = Vec::new();
    if let Some(latest) = &latest
        && is_applied(&latest.state)
        && latest.digest != definition.digest
        && definition.retired_since().is_none()
    {
        let applied = latest.digest.clone();
        match definition.repeat {
            Repeat::Once if applied == UNKNOWN_DIGEST => {}
            Repeat::Once => notes.push(Note::Drifted { applied }),
            Repeat::OnChange => notes.push(Note::Again { applied }),
        }
    }
    if selected && let Some(step) = latest.as_ref().and_then(reached) {
        notes.push(Note::Reached {
            step: step.to_owned(),
        });
    }
    let attempt = latest
        .as_ref()
        .map_or(1, |latest| latest.attempt.saturating_add(1));
    Step {
        definition,
        decision,
        attempt,
        latest: latest.map(Box::new),
        notes,
    }
}

/// Returns the step that an unfinished attempt reached.
pub(crate) fn reached(latest: &LatestEntry) -> Option<&str> {
    let unfinished = matches!(
        latest.state,
        State::Started | State::Failed | State::RollbackFailed
    );
    let reason = latest.reason.as_deref();
    reason.filter(|reason| unfinished && *reason != IN_BATCHES)
}

pub(crate) fn is_applied(state: &State) -> bool {
    matches!(state, State::Applied | State::MarkedApplied)
}
