//! The pipeline: all stages with their changes, validated and in order.

use super::required;
use super::stage::Stage;
use crate::change::problem::Problem;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::change::definition::{Definition, Repeat};
use crate::change::names;
use crate::change::names::DEFAULT;
use crate::change::order;
use crate::change::problem::Location;
use crate::util::hash::Summary;
use crate::util::near_miss::did_you_mean;

/// A stage with its changes in order.
#[derive(Clone, Debug)]
pub(crate) struct PlacedStage {
    pub(crate) name: String,
    /// The positions of the stages that must have succeeded before this one.
    pub(crate) after: Vec<usize>,
    /// Whether the changes run in one transaction.
    pub(crate) atomic: bool,
    pub(crate) changes: Vec<&'static Definition>,
}

/// All stages, validated, in the order in which they run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) stages: Vec<PlacedStage>,
}

impl Pipeline {
    /// Orders the stages and the changes, and reports all problems together.
    pub(crate) fn build(
        declared: &[Stage],
        definitions: &[&'static Definition],
    ) -> Result<Pipeline, Vec<Problem>> {
        let mut problems = Vec::new();
        check_ids(definitions, &mut problems);
        let mut by_stage: BTreeMap<&str, Vec<&'static Definition>> = BTreeMap::new();
        for definition in definitions {
            by_stage
                .entry(definition.stage)
                .or_default()
                .push(definition);
        }
        let mut stages = place_stages(declared, &by_stage, &mut problems);
        for stage in &mut stages {
            stage.changes = by_stage.remove(stage.name.as_str()).unwrap_or_default();
            // Repeatable changes come after the others.
            stage.changes.sort_by(|a, b| {
                let repeats = |change: &Definition| change.repeat == Repeat::OnChange;
                repeats(a)
                    .cmp(&repeats(b))
                    .then_with(|| order::compare(a.order, b.order))
            });
            check_orders(&stage.changes, &mut problems);
        }
        for (name, changes) in by_stage {
            for change in changes {
                problems.push(Problem::at(
                    change.location(),
                    format!(
                        "stage {name:?} is not declared: add `.stage(Stage::new({name:?}))` to the runner{}",
                        did_you_mean(name, stages.iter().map(|stage| stage.name.as_str()))
                    ),
                ));
            }
        }
        problems.extend(required::problems(|| {
            let of_stage = |(index, stage): (usize, &PlacedStage)| {
                let changes = stage.changes.clone().into_iter().enumerate();
                changes.map(move |(place, change)| ((index, place), change))
            };
            stages.iter().enumerate().flat_map(of_stage)
        }));
        if problems.is_empty() {
            Ok(Pipeline { stages })
        } else {
            Err(problems)
        }
    }

    /// Returns every change, in the order in which a run without parallel stages reaches them.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &'static Definition> + '_ {
        self.stages
            .iter()
            .flat_map(|stage| stage.changes.iter().copied())
    }

    /// Returns the digest that must be unchanged for a run to have nothing to do: it covers the
    /// stage, order, id and definition of every selected change. `salt` adds the settings on which
    /// a run depends.
    pub(crate) fn digest(&self, salt: &[&str], selected: impl Fn(&Definition) -> bool) -> String {
        let mut digest = Summary::new();
        for text in salt {
            digest.text(text);
        }
        for change in self.changes() {
            if selected(change) && change.is_background() {
                // The digest says that all of them are applied, too.
                for text in ["", "", change.id, change.digest] {
                    digest.text(text);
                }
            } else if selected(change) {
                for text in [change.stage, change.order, change.id, change.digest] {
                    digest.text(text);
                }
            } else {
                // The id of a change that is not selected counts too: if the change were removed,
                // it could be missing.
                for text in ["", change.id] {
                    digest.text(text);
                }
            }
        }
        digest.finish()
    }
}

fn check_ids(definitions: &[&'static Definition], problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&str, Location> = HashMap::with_capacity(definitions.len());
    for change in definitions {
        let id = change.id;
        // An author is optional: without one, the crate counts as the author.
        let author = Some(change.author).filter(|author| !author.is_empty());
        let found = names::problem("id", id)
            .into_iter()
            .chain(author.and_then(names::problem_of_author))
            .chain(names::problem_in_manifest("stage", change.stage))
            .chain(names::problem_in_manifest("target", change.target))
            .chain(order::problem(change.order).or_else(|| names::problem("order", change.order)));
        problems.extend(found.map(|problem| Problem::at(change.location(), problem)));
        match seen.get(id) {
            Some(first) => problems.push(Problem::at(
                change.location(),
                format!("id {id:?} is taken by the change at {first}: give this one its own id"),
            )),
            None => {
                seen.insert(id, change.location());
            }
        }
    }
}

fn check_orders(changes: &[&'static Definition], problems: &mut Vec<Problem>) {
    for pair in changes.windows(2) {
        if order::compare(pair[0].order, pair[1].order).is_eq() {
            problems.push(Problem::at(
                pair[1].location(),
                format!(
                    "order {:?} equals order {:?} of the change {:?} at {}: orders are unique in a stage, and digits compare as numbers",
                    pair[1].order, pair[0].order, pair[0].id, pair[0].location()
                ),
            ));
        }
    }
}

/// Returns the stages in the order in which they run, without their changes.
fn place_stages(
    declared: &[Stage],
    by_stage: &BTreeMap<&str, Vec<&'static Definition>>,
    problems: &mut Vec<Problem>,
) -> Vec<PlacedStage> {
    if declared.is_empty() {
        let names = by_stage.keys();
        return names
            .map(|name| placed(&Stage::new(*name), Vec::new()))
            .collect();
    }
    let mut stages: Vec<&Stage> = Vec::new();
    let default = Stage::new(DEFAULT);
    if by_stage.contains_key(DEFAULT) && declared.iter().all(|stage| stage.name != DEFAULT) {
        stages.push(&default);
    }
    let mut names = HashSet::new();
    for stage in declared {
        if names.insert(stage.name.as_str()) {
            stages.push(stage);
        } else {
            problems.push(Problem::general(format!(
                "stage {:?} is declared twice",
                stage.name
            )));
        }
    }
    let known: HashSet<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    for stage in &stages {
        for before in stage
            .after
            .iter()
            .filter(|before| !known.contains(before.as_str()))
        {
            problems.push(Problem::general(format!(
                "stage {:?} is after {before:?}, which is not declared{}",
                stage.name,
                did_you_mean(before, known.iter().copied())
            )));
        }
    }
    sort_stages(&stages, &known, problems)
}

/// Sorts the stages: repeatedly takes the first declared stage whose predecessors are all placed.
fn sort_stages(
    stages: &[&Stage],
    known: &HashSet<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<PlacedStage> {
    let mut sorted: Vec<PlacedStage> = Vec::new();
    let mut position: HashMap<&str, usize> = HashMap::new();
    let mut waiting: Vec<&Stage> = stages.to_vec();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|stage| {
            let mut before = stage
                .after
                .iter()
                .filter(|name| known.contains(name.as_str()));
            before.all(|name| position.contains_key(name.as_str()))
        });
        let Some(ready) = ready else {
            let names: Vec<String> = waiting
                .iter()
                .map(|stage| format!("{:?}", stage.name))
                .collect();
            problems.push(Problem::general(format!(
                "the stages {} wait for each other: break the circle of `after`",
                names.join(", ")
            )));
            sorted.extend(waiting.iter().map(|stage| placed(stage, Vec::new())));
            break;
        };
        let stage = waiting.remove(ready);
        let after = stage
            .after
            .iter()
            .filter_map(|name| position.get(name.as_str()).copied());
        let after = after.collect();
        position.insert(&stage.name, sorted.len());
        sorted.push(placed(stage, after));
    }
    sorted
}

fn placed(stage: &Stage, after: Vec<usize>) -> PlacedStage {
    PlacedStage {
        name: stage.name.clone(),
        after,
        atomic: stage.atomic,
        changes: Vec::new(),
    }
}
