//! Undo: which changes are taken back, and in which order.

use crate::change::Code;
use crate::decision::Decision;
use crate::pipeline::Problem;
use crate::plan::Step;
use crate::suggest::did_you_mean;

/// What to undo. Changes are taken back in the reverse of the order in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UndoTarget {
    /// The last applied change of the pipeline.
    Last,
    /// The last so many.
    Count(usize),
    /// Everything after this change, which itself stays.
    To(String),
    /// This change alone.
    Change(String),
}

/// The applied changes to take back, first to last. Refused as a whole if one of them cannot be.
pub(crate) fn select<'a>(
    steps: &[&'a Step],
    target: &UndoTarget,
) -> Result<Vec<&'a Step>, Vec<Problem>> {
    let unknown = |id: &str| {
        vec![Problem::general(format!(
            "the pipeline has no change {id:?}: nothing was undone{}",
            did_you_mean(id, steps.iter().map(|step| step.definition.id))
        ))]
    };
    let place = |id: &str| steps.iter().position(|step| step.definition.id == id);
    let applied = |steps: &[&'a Step]| -> Vec<&'a Step> {
        // An undo that was interrupted is finished by the next one.
        let is_applied = |step: &&&'a Step| {
            matches!(step.decision, Decision::Skip | Decision::Again) || step.is_half_undone()
        };
        steps.iter().rev().filter(is_applied).copied().collect()
    };
    let chosen: Vec<&Step> = match target {
        UndoTarget::Last => applied(steps).into_iter().take(1).collect(),
        UndoTarget::Count(count) => applied(steps).into_iter().take(*count).collect(),
        UndoTarget::To(id) => {
            let place = place(id).ok_or_else(|| unknown(id))?;
            applied(&steps[place + 1..])
        }
        UndoTarget::Change(id) => {
            let place = place(id).ok_or_else(|| unknown(id))?;
            applied(&steps[place..=place])
        }
    };
    let problems: Vec<Problem> = chosen
        .iter()
        .filter(|step| step.definition.rollback.is_none())
        .map(|step| {
            let id = step.definition.id;
            let body = &step.definition.body;
            let lacking = body.steps().and_then(|steps| {
                let index = steps.iter().position(|step| step.rollback.is_none())?;
                Some(crate::steps::place(index, steps.len()))
            });
            let missing = match (lacking, body.code) {
                (Some(place), _) => format!("rollback: {place} has none"),
                (None, Code::Function(_)) => "`#[rollback]`".to_owned(),
                (None, Code::Read(_)) if body.location.file.ends_with(".sql") => {
                    "rollback beside its file".to_owned()
                }
                (None, Code::Read(_)) => "`rollback` in its file".to_owned(),
            };
            Problem::at(
                step.definition.location(),
                format!("the change {id:?} has no {missing}: nothing was undone"),
            )
        })
        .collect();
    if problems.is_empty() {
        Ok(chosen)
    } else {
        Err(problems)
    }
}
