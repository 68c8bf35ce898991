//! Which change in the background a change of the start can require. Pure.

use std::collections::HashMap;

use crate::change::definition::Definition;
use crate::change::problem::Problem;
use crate::util::near_miss::did_you_mean;

/// Returns a problem for each change that requires one that it cannot wait for. `placed` returns the
/// changes with the positions of their stages, and in them.
pub(super) fn problems<I>(placed: impl Fn() -> I) -> Vec<Problem>
where
    I: Iterator<Item = ((usize, usize), &'static Definition)>,
{
    if placed().all(|(_, change)| change.requires.is_none()) {
        return Vec::new();
    }
    let known: HashMap<&str, ((usize, usize), &Definition)> = placed()
        .map(|(place, change)| (change.id, (place, change)))
        .collect();
    let problem = |(place, change): ((usize, usize), &'static Definition)| {
        let id = change.requires?;
        let rule = match known.get(id) {
            _ if change.is_background() => {
                "but runs in the background itself: the changes in the background run one after the other, in their order".to_owned()
            }
            None => format!(
                "which is not there{}",
                did_you_mean(id, known.keys().copied())
            ),
            Some((_, required)) if !required.is_background() => {
                "which does not run in the background: give it `phase = \"background\"`, or this one a later order".to_owned()
            }
            Some((later, required)) if later.0 > place.0 => format!(
                "of the stage {:?}, which runs after the stage {:?}",
                required.stage, change.stage
            ),
            Some((later, _)) if *later > place => {
                "which comes later in its stage: give it a lower order".to_owned()
            }
            Some(_) => return None,
        };
        let message = format!("the change {:?} requires {id:?}, {rule}", change.id);
        Some(Problem::at(change.location(), message))
    };
    placed().filter_map(problem).collect()
}
