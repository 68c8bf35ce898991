//! The plan: the decisions about every change of a pipeline. Pure: no clock, no store, no async.

use std::collections::HashMap;

use super::decision::{Decision, WhenAbsent};
use super::note::Note;
use super::pipeline::Pipeline;
use super::renamed::{Renamed, renamed};
use super::step::{Step, is_applied, step};
use crate::audit::entry::LatestEntry;
use crate::change::definition::{Definition, Repeat};
use crate::change::order;

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

    /// Reports whether every selected change that runs at the start is applied.
    pub(crate) fn is_settled(&self) -> bool {
        self.steps().all(|step| {
            matches!(
                step.decision,
                Decision::Skip | Decision::Filtered | Decision::Later(_)
            )
        })
    }

    /// Reports whether a run could do anything: an issue blocks its stage and the stages after it,
    /// and a change that waits blocks those after it.
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
            let waits = |step: &Step| matches!(step.decision, Decision::Waits(_));
            let first_waiting = steps.iter().position(waits);
            let is_atomic = pipeline.stages.get(index).is_some_and(|stage| stage.atomic);
            let reached = match first_waiting {
                Some(_) if is_atomic => &[],
                Some(waiting) => &steps[..waiting],
                None => &steps[..],
            };
            if !blocked[index] && reached.iter().any(Step::is_pending) {
                return true;
            }
            blocked[index] |= first_waiting.is_some();
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
            && !step.definition.is_background()
            && order::compare(step.definition.order, highest).is_lt()
        {
            step.notes.push(Note::OutOfOrder {
                behind: behind.to_owned(),
            });
        }
    }
}
