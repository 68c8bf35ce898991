//! The steps of a plan: the decision about each change. Pure: no clock, no store, no async.

use super::note::Note;
use std::collections::HashMap;

use super::decision::{Batches, Cause, Code, Decision, Recorded, WhenAbsent, decide};
use super::pipeline::Pipeline;
use crate::audit::entry::{LatestEntry, Origin, State, UNKNOWN_DIGEST};
use crate::change::batch::IN_BATCHES;
use crate::change::definition::{Definition, Recovery, Repeat};
use crate::change::order;
use crate::change::step::ROLLBACK_ELSEWHERE;

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
        let of_undo = self
            .latest
            .as_ref()
            .is_some_and(|latest| latest.origin == Origin::Undo);
        let can_be_told = matches!(
            self.decision,
            Decision::Resolve | Decision::Verify(WhenAbsent::RolledBack)
        );
        of_undo && can_be_told
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
            Decision::Skip | Decision::Again | Decision::Filtered => None,
        }
    }

    /// Reports whether a run would work on the change, unless something keeps it from that.
    pub(crate) fn is_pending(&self) -> bool {
        match self.decision {
            Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve => true,
            Decision::Skip | Decision::Issue(_) | Decision::Filtered => false,
        }
    }

    /// Returns the last version that had the change, if it is retired and not applied.
    pub(crate) fn retired_too_early(&self) -> Option<&'static str> {
        match self.decision {
            Decision::Skip | Decision::Again | Decision::Filtered => None,
            Decision::Apply | Decision::Verify(_) | Decision::Resolve | Decision::Issue(_) => {
                self.definition.retired_since()
            }
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
            | Decision::Filtered => None,
        }
    }
}

/// The decisions about every change of the pipeline, stage by stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Vec<Step>>,
    /// Entries of applied changes that the pipeline does not have.
    pub(crate) missing: Vec<LatestEntry>,
    /// Changes that would run again because they were renamed.
    pub(crate) renamed: Vec<Renamed>,
    /// Whether the service has no entry at all.
    pub(crate) has_no_history: bool,
}

impl Plan {
    pub(crate) fn make(
        pipeline: &Pipeline,
        selected: impl Fn(&Definition) -> bool,
        latest: Vec<LatestEntry>,
    ) -> Plan {
        let mut plan = Plan {
            has_no_history: latest.is_empty(),
            ..Plan::default()
        };
        let (mut latest, missing) = placed(pipeline, latest);
        for stage in &pipeline.stages {
            let mut steps = Vec::with_capacity(stage.changes.len());
            for definition in &stage.changes {
                steps.push(step(
                    definition,
                    latest.next().flatten(),
                    selected(definition),
                ));
            }
            note_out_of_order(&mut steps);
            plan.stages.push(steps);
        }
        plan.renamed = renamed(plan.steps(), &missing);
        plan.missing = missing;
        plan.missing.retain(|entry| is_applied(&entry.state));
        plan.missing.sort_by_key(|entry| entry.seq);
        plan
    }

    /// Calls the verify function first for every change that was never attempted.
    pub(crate) fn ask_first(&mut self) {
        for step in self.stages.iter_mut().flatten() {
            let untried = step.latest.is_none() && step.decision == Decision::Apply;
            if untried && step.definition.verify.is_some() {
                step.decision = Decision::Verify(WhenAbsent::Apply);
            }
        }
    }

    /// Creates the plan of a pipeline that is known to be completely applied.
    pub(crate) fn complete(pipeline: &Pipeline, selected: impl Fn(&Definition) -> bool) -> Plan {
        let stages = pipeline.stages.iter().map(|stage| {
            let steps = stage.changes.iter().map(|definition| Step {
                definition,
                decision: if selected(definition) {
                    Decision::Skip
                } else {
                    Decision::Filtered
                },
                attempt: 1,
                latest: None,
                notes: Vec::new(),
            });
            steps.collect()
        });
        Plan {
            stages: stages.collect(),
            missing: Vec::new(),
            renamed: Vec::new(),
            has_no_history: false,
        }
    }

    /// Treats issues as pending, because another run has the lock: an attempt that looks
    /// interrupted may be running or rolling back, and a waiter has to wait for it.
    pub(crate) fn is_being_worked_at(&mut self) {
        for step in self.stages.iter_mut().flatten() {
            if matches!(step.decision, Decision::Issue(_)) {
                step.decision = Decision::Apply;
            }
        }
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flatten()
    }

    /// Returns how many changes a run would work on, unless something keeps it from that.
    pub(crate) fn pending(&self) -> usize {
        self.steps().filter(|step| step.is_pending()).count()
    }

    /// Reports whether every selected change is applied.
    pub(crate) fn is_settled(&self) -> bool {
        self.steps()
            .all(|step| matches!(step.decision, Decision::Skip | Decision::Filtered))
    }

    /// Reports whether a run could do anything: an issue blocks its stage and the stages after it.
    pub(crate) fn has_work(&self, pipeline: &Pipeline) -> bool {
        let mut blocked = vec![false; self.stages.len()];
        for (index, steps) in self.stages.iter().enumerate() {
            let after = pipeline
                .stages
                .get(index)
                .map_or(&[][..], |stage| &stage.after);
            blocked[index] = after.iter().any(|before| blocked[*before])
                || steps
                    .iter()
                    .any(|step| matches!(step.decision, Decision::Issue(_)));
            if !blocked[index] && steps.iter().any(Step::is_pending) {
                return true;
            }
        }
        false
    }
}

/// Matches the entries with the changes of the pipeline. Returns an entry for each change, in
/// order, and the remaining entries.
fn placed(
    pipeline: &Pipeline,
    latest: Vec<LatestEntry>,
) -> (impl Iterator<Item = Option<LatestEntry>>, Vec<LatestEntry>) {
    let changes = pipeline.changes().enumerate();
    let places: HashMap<&str, usize> = changes.map(|(place, change)| (change.id, place)).collect();
    let mut entries: Vec<Option<LatestEntry>> = Vec::new();
    entries.resize_with(places.len(), || None);
    let mut others = Vec::new();
    for entry in latest {
        match places.get(entry.change_id.as_str()) {
            Some(place) => entries[*place] = Some(entry),
            None => others.push(entry),
        }
    }
    (entries.into_iter(), others)
}

/// A change without an entry whose stage, order and content match an entry without a change.
#[derive(Clone, Debug)]
pub(crate) struct Renamed {
    pub(crate) definition: &'static Definition,
    /// The id in the entry.
    pub(crate) before: String,
    pub(crate) state: State,
}

impl Renamed {
    /// Returns the question whether the change was renamed, with the steps for each answer.
    pub(crate) fn question(&self) -> String {
        let (id, before) = (self.definition.id, &self.before);
        let file = self.definition.location().file;
        let is = |endings: &[&str]| endings.iter().any(|ending| file.ends_with(ending));
        let keep = if self.definition.body.script().is_some() {
            format!("write `-- flamingock: id={before}` at the head of the file")
        } else if is(&[".yaml", ".yml"]) {
            format!("write `id: {before}` in the file")
        } else if is(&[".toml"]) {
            format!("write `id = {before:?}` in the file")
        } else {
            format!("write `#[change(id = {before:?})]`")
        };
        format!(
            "the change {id:?} has the stage, the order and the content of {before:?}, which is {} and not in this binary: it would run again under another id. Was it renamed? Then {keep}: it keeps its history. If it is a change of its own that must run, give it another order",
            self.state
        )
    }
}

/// Finds renamed changes. A rolled-back change may run again under any name, and a repeatable one
/// is meant to run again.
fn renamed<'a>(steps: impl Iterator<Item = &'a Step>, missing: &[LatestEntry]) -> Vec<Renamed> {
    let may_run_again =
        |state: &State| matches!(state, State::RolledBack | State::MarkedRolledBack);
    let mut by_digest: HashMap<&str, Vec<&LatestEntry>> = HashMap::new();
    for entry in missing.iter().filter(|entry| !may_run_again(&entry.state)) {
        by_digest.entry(&entry.digest).or_default().push(entry);
    }
    if by_digest.is_empty() {
        return Vec::new();
    }
    let is_new = |step: &&Step| {
        step.latest.is_none()
            && step.decision == Decision::Apply
            && step.definition.repeat == Repeat::Once
            && step.definition.retired_since().is_none()
    };
    steps
        .filter(is_new)
        .filter_map(|step| {
            let definition = step.definition;
            let alike = by_digest.get(definition.digest)?;
            let entry = alike.iter().find(|entry| {
                entry.stage == definition.stage
                    && order::compare(&entry.change_order, definition.order).is_eq()
            })?;
            Some(Renamed {
                definition,
                before: entry.change_id.clone(),
                state: entry.state.clone(),
            })
        })
        .collect()
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
    latest.reason.as_deref() == Some(IN_BATCHES)
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
    let is_unfinished = latest
        .as_ref()
        .is_some_and(|latest| matches!(latest.state, State::Started | State::Failed));
    let decision = match decided {
        _ if !selected => Decision::Filtered,
        // The marker and the verify function of the new target system say nothing about the old
        // one.
        Decision::Verify(_) | Decision::Resolve if moved => Decision::Issue(Cause::TargetChanged),
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

/// Adds a note to every change that was never attempted although a later one of its stage is
/// applied.
fn note_out_of_order(steps: &mut [Step]) {
    // Repeatable changes run after all others, whatever their order.
    let applied = |step: &Step| {
        step.definition.repeat == Repeat::Once
            && step
                .latest
                .as_ref()
                .is_some_and(|entry| is_applied(&entry.state))
    };
    let Some(last) = steps.iter().rposition(applied) else {
        return;
    };
    let (behind, highest) = (steps[last].definition.id, steps[last].definition.order);
    for step in &mut steps[..last] {
        if step.latest.is_none()
            && step.definition.repeat == Repeat::Once
            && step.decision == Decision::Apply
            && step.definition.retired_since().is_none()
            && order::compare(step.definition.order, highest).is_lt()
        {
            step.notes.push(Note::OutOfOrder {
                behind: behind.to_owned(),
            });
        }
    }
}

pub(crate) fn is_applied(state: &State) -> bool {
    matches!(state, State::Applied | State::MarkedApplied)
}
