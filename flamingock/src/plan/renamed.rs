//! Changes that would run again because they were renamed.

use std::collections::HashMap;

use super::decision::Decision;
use super::step::Step;
use crate::audit::entry::{LatestEntry, State};
use crate::change::definition::{Definition, Repeat};
use crate::change::order;

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
pub(super) fn renamed<'a>(
    steps: impl Iterator<Item = &'a Step>,
    missing: &[LatestEntry],
) -> Vec<Renamed> {
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
