//! Which changes here are applied already, by what another tool's history says. Pure.

use std::collections::HashMap;

use super::mapping::{Mapping, Target};
use super::past::PastChange;
use super::tool::Tool;
use crate::change::Definition;
use crate::pipeline::{Pipeline, Problem};

/// What of the other tool's history is here.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// In the order of the pipeline.
    pub(super) found: Vec<(&'static Definition, PastChange)>,
    /// What maps to nothing here.
    pub(super) unmapped: Vec<PastChange>,
    /// What a mapping leaves out on purpose.
    pub(super) left_out: Vec<PastChange>,
    /// The changes here that the history does not have, in the order of the pipeline.
    pub(super) pending: Vec<&'static Definition>,
}

pub(super) fn matched(
    tool: Tool,
    mapping: &Mapping,
    applied: Vec<PastChange>,
    pipeline: &Pipeline,
) -> Result<Matched, Vec<Problem>> {
    let mut matched = Matched::default();
    let mut problems = Vec::new();
    let mut found: HashMap<&'static str, PastChange> = HashMap::new();
    for past in applied {
        let definition = match find(tool, mapping, &past, pipeline) {
            Ok(Some(definition)) => definition,
            Ok(None) => {
                matched.unmapped.push(past);
                continue;
            }
            Err(Refused::LeftOut) => {
                matched.left_out.push(past);
                continue;
            }
            Err(Refused::Problem(problem)) => {
                problems.push(problem);
                continue;
            }
        };
        if let Some(other) = found.get(definition.id) {
            let message = format!(
                "{tool}'s {:?} and {:?} both map to the change {:?}: say which one it is with a mapping",
                other.name, past.name, definition.id
            );
            problems.push(Problem::at(definition.location(), message));
        } else {
            found.insert(definition.id, past);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    for definition in pipeline.changes() {
        match found.remove(definition.id) {
            Some(past) => matched.found.push((definition, past)),
            None => matched.pending.push(definition),
        }
    }
    Ok(matched)
}

enum Refused {
    LeftOut,
    Problem(Problem),
}

fn find(
    tool: Tool,
    mapping: &Mapping,
    past: &PastChange,
    pipeline: &Pipeline,
) -> Result<Option<&'static Definition>, Refused> {
    let by_id = |id: &str| pipeline.changes().find(|change| change.id == id);
    let unknown = |id: &str, place: &str| {
        Refused::Problem(Problem::general(format!(
            "{place}{tool}'s {:?} is mapped to {id:?}, and there is no such change here",
            past.name
        )))
    };
    match mapping {
        Mapping::Names => {}
        Mapping::Function(function) => {
            return match function(past) {
                None => Ok(None),
                Some(id) => by_id(&id).map(Some).ok_or_else(|| unknown(&id, "")),
            };
        }
        Mapping::Lines(lines) => match lines.get(&past.name).or_else(|| lines.get(&past.id)) {
            None => {}
            Some(Target::LeftOut) => return Err(Refused::LeftOut),
            Some(Target::Change { id, line }) => {
                let place = format!("mapping, line {line}: ");
                return by_id(id).map(Some).ok_or_else(|| unknown(id, &place));
            }
        },
    }
    let fitting: Vec<_> = pipeline
        .changes()
        .filter(|change| past.fits(tool, change.id))
        .collect();
    match fitting[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [first, second, ..] => Err(Refused::Problem(Problem::at(
            first.location(),
            format!(
                "{tool}'s {:?} could be the change {:?} or {:?}: say which one it is with a mapping",
                past.name, first.id, second.id
            ),
        ))),
    }
}
