//! Checking the SQL of files before anything runs.

use super::judge::Looks;
use super::prepare::Prepared;
use crate::audit::snapshot::Snapshot;
use crate::audit::store_error::StoreError;
use crate::change::body::Body;
use crate::change::definition::Definition;
use crate::change::problem::Problem;
use crate::plan::decision::Decision;
use crate::plan::pipeline::Pipeline;
use crate::plan::step::Step;
use crate::plan::steps::Plan;
use crate::report::error::Error;
#[cfg(feature = "_sqlx")]
use crate::target::database::Database;
use crate::target::system::Targets;

/// Checks every script that the plan may run. Applied changes are not checked: they may be older
/// than the rules.
pub(super) fn check(plan: &Plan, targets: &Targets) -> Vec<Problem> {
    let bodies = bodies_to_run(plan).into_iter();
    bodies
        .flat_map(|(target, body)| parts(body).map(move |body| (target, body)))
        .filter_map(|(target, body)| problem(targets, target, body))
        .collect()
}

/// Looks for statements that would commit the transaction of an atomic stage.
pub(super) fn check_atomic(plan: &Plan, pipeline: &Pipeline, targets: &Targets) -> Vec<Problem> {
    let stages = pipeline.stages.iter().zip(&plan.stages);
    let steps = stages
        .filter(|(stage, _)| stage.atomic)
        .flat_map(|(_, steps)| steps)
        .filter(|step| works(step));
    steps
        .filter_map(|step| atomic_problem(targets, step.definition))
        .collect()
}

/// Refuses scripts with problems, for an operation that only reads.
pub(super) async fn refuse(
    plan: &Plan,
    pipeline: &Pipeline,
    targets: &Targets,
) -> Result<(), Error> {
    let mut problems = check(plan, targets);
    problems.extend(check_atomic(plan, pipeline, targets));
    if problems.is_empty() {
        let unfit = unfit(targets, &bodies_to_run(plan)).await;
        problems = unfit.map_err(Error::store)?;
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(problems)),
    }
}

/// Returns the bodies that run and the rollbacks that follow a failure, each with its target
/// system. Down files of other tools run only on undo, which checks them: as in their own tools, a
/// mistake in one keeps nothing from being applied.
fn bodies_to_run(plan: &Plan) -> Vec<(&'static str, &'static Body<()>)> {
    let steps = plan.steps().filter(|step| works(step));
    let bodies = steps.flat_map(|step| {
        let definition = step.definition;
        let rollback = definition.rollback;
        let rollback = rollback.filter(|body| !body.is_for_undo_only());
        let bodies = [Some(&definition.body), rollback].into_iter();
        bodies.flatten().map(|body| (definition.target, body))
    });
    bodies.collect()
}

/// Returns the problems that only the databases themselves can find.
async fn unfit(
    targets: &Targets,
    all: &[(&str, &'static Body<()>)],
) -> Result<Vec<Problem>, StoreError> {
    let mut problems = Vec::new();
    for (name, target) in targets {
        let Some(database) = &target.database else {
            continue;
        };
        let own = all.iter().filter(|(target, _)| target == name);
        let bodies: Vec<_> = own.flat_map(|(_, body)| parts(body)).collect();
        problems.extend(database.without_effect(&bodies).await?);
    }
    Ok(problems)
}

impl Prepared {
    /// Makes the plan of a run that is about to be executed.
    pub(super) fn plan_to_run(&self, snapshot: &mut Snapshot, looks: Looks) -> Result<Plan, Error> {
        let plan = self.plan(snapshot, looks)?;
        let mut problems = super::script_checks::check(&plan, &self.targets);
        problems.extend(super::script_checks::check_atomic(
            &plan,
            &self.pipeline,
            &self.targets,
        ));
        // The other run may be about to apply these changes, so their problems do not count yet.
        if problems.is_empty() || looks == Looks::InMotion {
            Ok(plan)
        } else {
            Err(Error::invalid(problems))
        }
    }

    /// Refuses pending files, and their rollbacks, if their databases find problems.
    pub(super) async fn refuse_unfit_scripts(&self, plan: &Plan) -> Result<(), Error> {
        self.refuse_unfit(bodies_to_run(plan)).await
    }

    /// Refuses the rollbacks of changes to undo if their databases find problems.
    pub(super) async fn refuse_unfit_rollbacks(&self, chosen: &[&Step]) -> Result<(), Error> {
        let bodies = chosen.iter().filter_map(|step| {
            let definition = step.definition;
            Some((definition.target, definition.rollback?))
        });
        self.refuse_unfit(bodies.collect()).await
    }

    async fn refuse_unfit(&self, all: Vec<(&str, &'static Body<()>)>) -> Result<(), Error> {
        let problems = self.answered(unfit(&self.targets, &all)).await;
        let problems = problems.map_err(Error::store)?;
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid(problems)),
        }
    }
}

fn works(step: &Step) -> bool {
    is_work(&step.decision)
}

/// A change in the background is checked at the start, too.
fn is_work(decision: &Decision) -> bool {
    match decision {
        Decision::Later(decision) => is_work(decision),
        Decision::Apply | Decision::Again | Decision::Verify(_) | Decision::Resolve => true,
        Decision::Skip | Decision::Issue(_) | Decision::Filtered | Decision::Waits(_) => false,
    }
}

/// Checks the rollbacks of changes to undo.
pub(super) fn check_rollbacks(chosen: &[&Step], targets: &Targets) -> Vec<Problem> {
    let rollbacks = chosen.iter().filter_map(|step| {
        let target = step.definition.target;
        Some((target, step.definition.rollback?))
    });
    rollbacks
        .flat_map(|(target, body)| parts(body).map(move |body| (target, body)))
        .filter_map(|(target, body)| problem(targets, target, body))
        .collect()
}

/// Returns the body itself, or those of its steps with their rollbacks.
fn parts(body: &'static Body<()>) -> impl Iterator<Item = &'static Body<()>> {
    let steps = body.steps();
    let whole = steps.is_none().then_some(body);
    let steps = steps.into_iter().flatten();
    let of_steps = steps.flat_map(|step| [Some(&step.apply), step.rollback.as_ref()]);
    whole.into_iter().chain(of_steps.flatten())
}

#[cfg(feature = "_sqlx")]
fn problem(targets: &Targets, target: &str, body: &Body<()>) -> Option<Problem> {
    let database: &dyn Database = targets.get(target)?.database.as_deref()?;
    body.script()?.problem(database.kind(), body.transaction)
}

/// Without the feature there is no database to run it, which the preflight reports.
#[cfg(not(feature = "_sqlx"))]
fn problem(_targets: &Targets, _target: &str, _body: &Body<()>) -> Option<Problem> {
    None
}

#[cfg(feature = "_sqlx")]
fn atomic_problem(targets: &Targets, change: &Definition) -> Option<Problem> {
    let database: &dyn Database = targets.get(change.target)?.database.as_deref()?;
    change.body.script()?.commits(database.kind())
}

#[cfg(not(feature = "_sqlx"))]
fn atomic_problem(_targets: &Targets, _change: &Definition) -> Option<Problem> {
    None
}
