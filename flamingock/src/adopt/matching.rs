//! Matching another tool's history with the changes of this application. Pure.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::adopted::PassedOver;
use super::history::{History, UpTo};
use super::mapping::{Mapping, Target};
use super::past::{Fit, PastChange};
use super::tool::Tool;
use super::version;
use crate::change::definition::Definition;
use crate::change::problem::Problem;
use crate::plan::pipeline::Pipeline;

/// The result of matching a history with the changes.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// The matched changes in the order of the pipeline, with the reasons.
    pub(super) found: Vec<(&'static Definition, PastChange, String)>,
    /// Applied migrations that map to no change.
    pub(super) unmapped: Vec<PastChange>,
    /// Applied migrations that the mapping leaves out on purpose.
    pub(super) left_out: Vec<PastChange>,
    /// Rows that do not record a migration as applied.
    pub(super) passed_over: Vec<PassedOver>,
    /// The changes that the history does not have, in the order of the pipeline.
    pub(super) pending: Vec<&'static Definition>,
}

pub(super) fn matched(
    tool: Tool,
    mapping: &Mapping,
    history: History,
    pipeline: &Pipeline,
) -> Result<Matched, Vec<Problem>> {
    let mut matched = Matched {
        passed_over: history.passed_over,
        ..Matched::default()
    };
    let mut problems = Vec::new();
    let mut found: HashMap<&'static str, (PastChange, String)> = HashMap::new();
    for past in history.applied {
        let (definition, why) = match find(tool, mapping, &past, pipeline) {
            Ok(Some(found)) => found,
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
        if let Some((other, _)) = found.get(definition.id) {
            let message = format!(
                "{tool}'s {:?} and {:?} both map to the change {:?}: say which one it is with a mapping",
                other.name, past.name, definition.id
            );
            problems.push(Problem::at(definition.location(), message));
        } else {
            found.insert(definition.id, (past, why));
        }
    }
    if let Some(up_to) = history.up_to.as_ref().filter(|up_to| up_to.must_be_here)
        && !pipeline
            .changes()
            .any(|change| has_version(tool, change, &up_to.version))
    {
        problems.push(Problem::general(format!(
            "{tool} is at version {}, and no file here has it: {tool} itself would refuse. Use the folder that it has applied, with all of its files",
            up_to.version
        )));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    for definition in pipeline.changes() {
        let covered = || covered(tool, history.up_to.as_ref()?, definition);
        match found.remove(definition.id).or_else(covered) {
            Some((past, why)) => matched.found.push((definition, past, why)),
            None => matched.pending.push(definition),
        }
    }
    // The baseline covers these migrations, whether their files exist or not.
    if let Some(up_to) = &history.up_to {
        let is_covered = |past: &PastChange| {
            let ordering = version::compare(tool, &past.id, &up_to.version);
            ordering.is_some_and(Ordering::is_le)
        };
        let (covered, unmapped) = matched.unmapped.into_iter().partition(is_covered);
        let covered: Vec<PastChange> = covered;
        matched.unmapped = unmapped;
        let passed = covered.into_iter().map(|past| PassedOver {
            why: format!("{}, and no file of it is here", up_to.name),
            name: past.name,
        });
        matched.passed_over.extend(passed);
    }
    Ok(matched)
}

/// Returns the migration for a change that the baseline covers.
fn covered(
    tool: Tool,
    up_to: &UpTo,
    definition: &'static Definition,
) -> Option<(PastChange, String)> {
    let version = names(definition).find_map(|name| version::in_name(tool, name))?;
    let ordering = version::compare(tool, &version, &up_to.version)?;
    let past = PastChange::new(version, up_to.name.clone(), up_to.applied_at.clone());
    ordering
        .is_le()
        .then(|| (past, format!("its version is {}", up_to.name)))
}

fn has_version(tool: Tool, definition: &'static Definition, version: &str) -> bool {
    names(definition).any(|name| {
        let own = version::in_name(tool, name);
        let ordering = own.and_then(|own| version::compare(tool, &own, version));
        ordering.is_some_and(Ordering::is_eq)
    })
}

/// Returns the names of a change: its id, and for a file also the name of the file.
fn names(definition: &'static Definition) -> impl Iterator<Item = &'static str> {
    let file = definition.body.script().map(|script| script.file);
    [Some(definition.id), file.and_then(stem)]
        .into_iter()
        .flatten()
}

/// Returns the name of a file or of its folder, without the suffix for its role.
fn stem(path: &'static str) -> Option<&'static str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if file == "up.sql" {
        return folder.rsplit('/').next();
    }
    let (stem, _) = file.rsplit_once('.')?;
    Some(stem.strip_suffix(".up").unwrap_or(stem))
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
) -> Result<Option<(&'static Definition, String)>, Refused> {
    let by_id = |id: &str| pipeline.changes().find(|change| change.id == id);
    let mapped = |found: &'static Definition| (found, "the mapping says so".to_owned());
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
                Some(id) => by_id(&id)
                    .map(|found| Some(mapped(found)))
                    .ok_or_else(|| unknown(&id, "")),
            };
        }
        Mapping::Lines(lines) => match lines.get(&past.name).or_else(|| lines.get(&past.id)) {
            None => {}
            Some(Target::LeftOut) => return Err(Refused::LeftOut),
            Some(Target::Change { id, line }) => {
                let place = format!("mapping, line {line}: ");
                return by_id(id)
                    .map(|found| Some(mapped(found)))
                    .ok_or_else(|| unknown(id, &place));
            }
        },
    }
    by_name(tool, past, pipeline)
}

/// Finds the change that the tool itself would match with this migration.
fn by_name(
    tool: Tool,
    past: &PastChange,
    pipeline: &Pipeline,
) -> Result<Option<(&'static Definition, String)>, Refused> {
    let fit =
        |change: &'static Definition| names(change).filter_map(|name| past.fits(tool, name)).min();
    let mut fitting: Vec<(Fit, &'static Definition)> = pipeline
        .changes()
        .filter_map(|change| Some((fit(change)?, change)))
        .collect();
    fitting.sort_by_key(|(fit, _)| *fit);
    let best = fitting.first().map(|(fit, _)| *fit);
    fitting.retain(|(fit, _)| Some(*fit) == best);
    match fitting[..] {
        [] => Ok(None),
        [(Fit::Name, one)] => Ok(Some((one, "the history has this name".to_owned()))),
        [(Fit::Version, one)] => {
            let why = format!("the history has this version, as {:?}", past.name);
            Ok(Some((one, why)))
        }
        [(Fit::Divergent, one)] => Err(Refused::Problem(Problem::at(
            one.location(),
            format!(
                "{tool}'s {:?} and the change {:?} have one version and different names, which {tool} refuses: say with a mapping whether they are the same",
                past.name, one.id
            ),
        ))),
        [(_, first), (_, second), ..] => Err(Refused::Problem(Problem::at(
            first.location(),
            format!(
                "{tool}'s {:?} could be the change {:?} or {:?}: say which one it is with a mapping",
                past.name, first.id, second.id
            ),
        ))),
    }
}
