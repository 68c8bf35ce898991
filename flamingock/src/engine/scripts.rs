//! What keeps SQL of files from being run, found before anything runs.

use crate::change::Body;
#[cfg(feature = "_sqlx")]
use crate::database::Database;
use crate::decision::Decision;
use crate::pipeline::Problem;
use crate::plan::{Plan, Step};
use crate::preflight::Targets;

/// Looks at everything that the plan may run. What is applied is left alone: it may be older than
/// the rules.
pub(super) fn check(plan: &Plan, targets: &Targets) -> Vec<Problem> {
    let works = |step: &&Step| match step.decision {
        Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve => true,
        Decision::Skip | Decision::Issue(_) | Decision::Filtered => false,
    };
    let bodies = plan.steps().filter(works).flat_map(|step| {
        let definition = step.definition;
        let bodies = [Some(&definition.body), definition.rollback];
        let target = definition.target;
        bodies.into_iter().flatten().map(move |body| (target, body))
    });
    bodies
        .filter_map(|(target, body)| problem(targets, target, body))
        .collect()
}

/// Looks at the rollbacks of what is to be undone.
pub(super) fn check_rollbacks(chosen: &[&Step], targets: &Targets) -> Vec<Problem> {
    let rollbacks = chosen.iter().filter_map(|step| {
        let body = step.definition.rollback?;
        problem(targets, step.definition.target, body)
    });
    rollbacks.collect()
}

#[cfg(feature = "_sqlx")]
fn problem(targets: &Targets, target: &str, body: &Body<()>) -> Option<Problem> {
    let database: &dyn Database = targets.get(target)?.database.as_deref()?;
    body.script()?.problem(database.kind(), body.transaction)
}

/// Without a database there is none that could run it, which preflight says.
#[cfg(not(feature = "_sqlx"))]
fn problem(_targets: &Targets, _target: &str, _body: &Body<()>) -> Option<Problem> {
    None
}
