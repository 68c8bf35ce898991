//! Previewing what a run would do, without the lock.

use std::sync::Arc;
use tokio::time::Instant;

use super::collect::open_with_pipeline;
use super::judge::{Looks, judge};
use super::prepare::{targets, unmet};
use super::progress::note_progress;
use super::report_builder::report;
use super::settings::Settings;
use super::{facts, formats, script_checks};
use crate::adopt::histories::Places;
use crate::audit::entry::{Origin, State};
use crate::audit::snapshot::Snapshot;
use crate::audit::store::whole_snapshot;
use crate::change::argument::Need;
use crate::plan::decision::Decision;
use crate::plan::note::Note;
use crate::plan::preflight;
use crate::plan::steps::Plan;
use crate::report::error::Error;
use crate::report::run::Report;
use crate::target::system::TargetSystem;
use crate::util::random::new_id;

/// Returns what a run would do, after checking the arguments of all changes.
pub(crate) async fn plan(settings: &Settings) -> Result<Report, Error> {
    formats::find_out(settings, None).await?;
    let (storage, pipeline) = open_with_pipeline(settings)?;
    let targets = targets(settings, storage.target);
    let problems = unmet(settings, pipeline.changes(), &targets, &pipeline);
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    look(settings).await
}

/// Returns what a run would do, without doing it.
pub(crate) async fn look(settings: &Settings) -> Result<Report, Error> {
    let began = Instant::now();
    formats::find_out(settings, None).await?;
    let (storage, pipeline) = open_with_pipeline(settings)?;
    let snapshot = whole_snapshot(&*storage.store, &settings.service).await;
    let mut snapshot = snapshot.map_err(Error::store)?;
    if !settings.adoptions.is_empty() && snapshot.latest.is_empty() {
        let targets: Vec<_> = settings.targets.iter().chain([&storage.target]).collect();
        let places = Places {
            adoptions: &settings.adoptions,
            targets: &targets,
            pipeline: &pipeline,
            facts: &Arc::new(facts(settings)),
        };
        snapshot.latest = places.foresee().await?;
    }
    let latest = std::mem::take(&mut snapshot.latest);
    let mut plan = Plan::make(&pipeline, |change| settings.selects(change), latest);
    if !settings.with_background {
        plan.leave_background();
    }
    plan.hold_back();
    note_what_only_a_look_says(&mut plan, &snapshot);
    let (service, store) = (&settings.service, &*storage.store);
    note_progress(&mut plan, service, store, &settings.targets).await;
    let targets: Vec<_> = settings.targets.iter().chain([&storage.target]).collect();
    note_session_options(&mut plan, &targets).await;
    judge(settings, &mut plan, Looks::Settled).map_err(Error::invalid)?;
    // The other run may be about to apply these changes, so they need not be checked here.
    if !snapshot.is_held() {
        let targets = preflight::targets(storage.target, settings.targets.clone());
        script_checks::refuse(&plan, &pipeline, &targets).await?;
    }
    let done = Vec::new();
    let mut report = report(settings, &pipeline, &plan, &done, &new_id(), began);
    report.warnings.extend(formats::passed_over(settings));
    Ok(report)
}

/// Notes the session options that the pending files get from sqlx and not from the server.
async fn note_session_options(plan: &mut Plan, targets: &[&TargetSystem]) {
    for step in plan.stages.iter_mut().flatten() {
        let (body, name) = (&step.definition.body, step.definition.target);
        if !step.is_pending() || !body.needs.iter().any(Need::is_connection) {
            continue;
        }
        let target = targets.iter().find(|target| target.name == name);
        if let Some(database) = target.and_then(|target| target.database.as_ref()) {
            let names = database.options_of_sqlx(body).await.unwrap_or_default();
            if !names.is_empty() {
                step.notes.push(Note::SessionOptions { names });
            }
        }
    }
}

/// Treats the changes that the run with the lock is working on as pending, and not as issues.
fn note_what_only_a_look_says(plan: &mut Plan, snapshot: &Snapshot) {
    for step in plan.stages.iter_mut().flatten() {
        if step.decision == Decision::Filtered {
            continue;
        }
        if snapshot.in_background(step.definition.id).is_some() {
            if let Decision::Later(decision) = &mut step.decision {
                **decision = Decision::Apply;
            }
            step.notes.push(Note::Running);
            continue;
        }
        let Some(latest) = &step.latest else { continue };
        if snapshot.is_running(latest) {
            if matches!(step.decision, Decision::Issue(_)) {
                step.decision = Decision::Apply;
            }
            step.notes.push(Note::Running);
        } else if latest.state == State::RolledBack && latest.origin == Origin::Undo {
            step.notes.push(Note::Undone);
        }
    }
}
