//! A run from its beginning to its end: the one place that knows the order of things.

mod account;
mod facts;
mod formats;
mod looking;
mod pace;
mod probing;
mod ready;
mod scripts;
mod second_history;
mod serving;
mod stage;
mod stages;
mod telling;
mod undoing;
mod waiting;

use std::sync::Arc;

use tokio::time::Instant;

use self::account::{Done, report};
use self::facts::described;
pub(crate) use self::facts::{facts, facts_at};
pub(crate) use self::formats::find_out as find_out_formats;
pub(crate) use self::looking::look;
pub(crate) use self::probing::verify;
pub(crate) use self::second_history::{at_work, open, refuse as refuse_a_second_history};
pub(crate) use self::serving::{Request, serve};
pub(crate) use self::undoing::plan_undo;
use self::waiting::Waited;
use crate::audit::{Facts, Snapshot, Store};
use crate::call::Signals;
use crate::change::Definition;
use crate::error::Error;
use crate::files::Templates;
use crate::listener::Events;
use crate::manifest;
use crate::pipeline::{Pipeline, Problem};
use crate::plan::{Note, Plan};
use crate::preflight::{self, Targets};
use crate::readiness::Readiness;
use crate::registry;
use crate::report::Report;
use crate::runner::{Mode, Rule, Settings};
use crate::storage::Storage;
use crate::tables::StorageSettings;
use crate::target::TargetSystem;

/// The format of what the pipeline's digest covers.
const DIGEST_FORMAT: &str = "3";

/// A run whose settings are found right.
struct Prepared {
    settings: Settings,
    mode: Mode,
    pipeline: Pipeline,
    targets: Targets,
    store: Arc<dyn Store>,
    digest: String,
    facts: Arc<Facts>,
    run_id: String,
    began: Instant,
    events: Events,
    readiness: Readiness,
}

impl Prepared {
    /// Finds everything that is wrong before anything is touched.
    fn new(settings: Settings, run_id: &str, events: &Events) -> Result<Prepared, Vec<Problem>> {
        let mut problems = settings.problems();
        let mode = settings.mode().unwrap_or_else(|problem| {
            problems.push(problem);
            Mode::Off
        });
        let (definitions, pipeline) = pipeline(&settings, &mut problems);
        if let Some(committed) = &settings.manifest
            && let Err(found) = manifest::check(&pipeline, committed)
        {
            problems.extend(found);
        }
        let storage_settings = settings.for_storage();
        let opened = settings.storage.open(&storage_settings);
        let storage = match opened {
            Ok(storage) => storage,
            Err(found) => {
                problems.extend(found);
                return Err(problems);
            }
        };
        let mut given = settings.targets.clone();
        for target in &mut given {
            share_or_configure(target, &storage.target, &storage_settings);
        }
        let mut targets = preflight::targets(storage.target, given);
        let selected: Vec<&'static Definition> = definitions
            .into_iter()
            .filter(|change| settings.selects(change))
            .collect();
        problems.extend(preflight::check(&selected, &targets, &settings.values));
        problems.extend(preflight::check_atomic(&selected, &targets, &pipeline));
        if !problems.is_empty() {
            return Err(problems);
        }
        for unused in account::unused_targets(&settings, &pipeline) {
            tracing::warn!("{unused}");
        }
        let facts = facts(&settings);
        for target in targets.values_mut() {
            target.facts = described(target, &settings, &facts).map(Arc::new);
        }
        let policy = settings.policy.text();
        let salt = [DIGEST_FORMAT, settings.service.as_str(), policy.as_str()];
        let digest = pipeline.digest(&salt, |change| settings.selects(change));
        Ok(Prepared {
            mode,
            pipeline,
            targets,
            store: storage.store,
            digest,
            facts: Arc::new(facts),
            run_id: run_id.to_owned(),
            began: Instant::now(),
            events: events.clone(),
            readiness: Readiness::default(),
            settings,
        })
    }

    async fn run(&self, signals: &Signals) -> Result<Report, Error> {
        if self.mode == Mode::Off {
            let plan = Plan::make(
                &self.pipeline,
                |change| self.settings.selects(change),
                vec![],
            );
            let mut report = self.report(&plan, &Vec::new());
            report
                .warnings
                .push("the mode is off: nothing was looked at, nothing ran".to_owned());
            return Ok(report);
        }
        let lease = match self.wait_for_the_lock(signals).await? {
            Waited::Ended(report) => return Ok(*report),
            Waited::Obtained(lease) => lease,
        };
        self.run_locked(lease, signals).await
    }

    /// What this run would do with what it has read. The entries are in the plan afterwards.
    fn plan(&self, snapshot: &mut Snapshot, looks: Looks) -> Result<Plan, Error> {
        let selects = |change: &Definition| self.settings.selects(change);
        if snapshot.up_to_date {
            return Ok(Plan::complete(&self.pipeline, selects));
        }
        let newest = std::mem::take(&mut snapshot.newest);
        let mut plan = Plan::make(&self.pipeline, selects, newest);
        if self.settings.adopt_verified {
            plan.ask_first();
        }
        judge(&self.settings, &mut plan, looks).map_err(Error::Invalid)?;
        Ok(plan)
    }

    /// The same, where it is going to be run.
    fn plan_to_run(&self, snapshot: &mut Snapshot, looks: Looks) -> Result<Plan, Error> {
        let plan = self.plan(snapshot, looks)?;
        let mut problems = scripts::check(&plan, &self.targets);
        problems.extend(scripts::check_atomic(&plan, &self.pipeline, &self.targets));
        // What another run is at work on may not be ours to run.
        if problems.is_empty() || looks == Looks::InMotion {
            Ok(plan)
        } else {
            Err(Error::Invalid(problems))
        }
    }

    fn report(&self, plan: &Plan, done: &Done) -> Report {
        report(
            &self.settings,
            &self.pipeline,
            plan,
            done,
            &self.run_id,
            self.began,
        )
    }
}

/// Whether what was read may change under the hands of another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// Nobody is at work, or only this run.
    Settled,
    /// Another run has the lock.
    InMotion,
}

impl Looks {
    fn of(snapshot: &Snapshot) -> Looks {
        if snapshot.is_held() {
            Looks::InMotion
        } else {
            Looks::Settled
        }
    }
}

/// Applies the policy: what is allowed is not noted, what is denied is a problem.
fn judge(settings: &Settings, plan: &mut Plan, looks: Looks) -> Result<(), Vec<Problem>> {
    let policy = settings.policy;
    let mut problems = Vec::new();
    for step in plan.stages.iter_mut().flatten() {
        let definition = step.definition;
        step.notes.retain(|note| {
            let rule = match note {
                Note::Drifted { .. } => policy.drift,
                Note::OutOfOrder { .. } => policy.out_of_order,
                Note::Again { .. }
                | Note::Retried { .. }
                | Note::CommittedMidway
                | Note::FoundApplied
                | Note::Reached { .. }
                | Note::Running
                | Note::SessionOptions { .. }
                | Note::Undone => Rule::Warn,
            };
            if rule == Rule::Deny {
                let message = format!(
                    "the change {:?}: {note}; the runner's policy denies that",
                    definition.id
                );
                problems.push(Problem::at(definition.location(), message));
            }
            rule != Rule::Allow
        });
    }
    for renamed in &plan.renamed {
        let location = renamed.definition.location();
        problems.push(Problem::at(location, renamed.question()));
    }
    match policy.missing {
        Rule::Allow | Rule::Warn => {}
        Rule::Deny => problems.extend(plan.missing.iter().map(|entry| {
            Problem::general(format!(
                "the change {:?} is applied, but not in this binary; the runner's policy denies that",
                entry.change_id
            ))
        })),
    }
    // What another run is at work on may look different in a moment.
    if problems.is_empty() || looks == Looks::InMotion {
        Ok(())
    } else {
        Err(problems)
    }
}

/// The changes of the run, in the order in which they were collected and as a pipeline.
fn pipeline(
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> (Vec<&'static Definition>, Pipeline) {
    let mut templates = templates(settings).unwrap_or_else(|found| {
        problems.extend(found);
        Templates::default()
    });
    if let Some(formats) = settings.formats.get() {
        templates.formats.clone_from(formats);
    }
    let definitions = if settings.changes.is_none() && settings.folders.is_empty() {
        registry::collect(&templates).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        })
    } else {
        let (of_files, found) = registry::of_folders(&settings.folders, &templates);
        problems.extend(found);
        let listed = settings.changes.iter().flatten().copied();
        listed.chain(of_files).collect()
    };
    let pipeline = Pipeline::build(&settings.stages, &definitions).unwrap_or_else(|found| {
        problems.extend(found);
        Pipeline::default()
    });
    (definitions, pipeline)
}

/// What files can name: the built-in templates, those that the linker collected, and those given.
#[cfg(feature = "templates")]
fn templates(settings: &Settings) -> Result<Templates, Vec<Problem>> {
    let collected = registry::FLAMINGOCK_TEMPLATES_0_1.iter();
    Templates::new(collected.chain(&settings.templates).copied())
}

/// Without the feature there are none.
#[cfg(not(feature = "templates"))]
#[expect(clippy::unnecessary_wraps, reason = "the feature's signature")]
fn templates(_settings: &Settings) -> Result<Templates, Vec<Problem>> {
    Ok(Templates::default())
}

/// The store, for whoever looks or decides: once every name and setting is found right, as before a run.
pub(crate) fn open_storage(settings: &Settings) -> Result<Storage, Error> {
    let mut problems = settings.problems();
    let storage = settings.storage.open(&settings.for_storage());
    match storage {
        Ok(storage) if problems.is_empty() => return Ok(storage),
        Ok(_) => {}
        Err(found) => problems.extend(found),
    }
    Err(Error::Invalid(problems))
}

/// The same, with the pipeline that a run would have.
pub(crate) fn open_with_pipeline(settings: &Settings) -> Result<(Storage, Pipeline), Error> {
    let mut problems = Vec::new();
    let storage = match open_storage(settings) {
        Err(Error::Invalid(found)) => {
            problems.extend(found);
            None
        }
        storage => Some(storage?),
    };
    let (_, pipeline) = pipeline(settings, &mut problems);
    match storage {
        Some(storage) if problems.is_empty() => Ok((storage, pipeline)),
        _ => Err(Error::Invalid(problems)),
    }
}

/// The pipeline that a run would have.
pub(crate) fn pipeline_of(settings: &Settings) -> Result<Pipeline, Error> {
    let mut problems = Vec::new();
    let (_, pipeline) = pipeline(settings, &mut problems);
    if problems.is_empty() {
        Ok(pipeline)
    } else {
        Err(Error::Invalid(problems))
    }
}

/// The manifest of the changes that a run would have.
pub(crate) fn manifest(settings: &Settings) -> Result<String, Error> {
    formats::decide_adopted(settings);
    let (_, pipeline) = open_with_pipeline(settings)?;
    let questions = formats::questions(settings);
    if questions.is_empty() {
        Ok(manifest::text(&pipeline))
    } else {
        Err(Error::Invalid(questions))
    }
}

/// A target of the audit's own pool is the audit's database by another name; any other one is told
/// the runner's settings.
fn share_or_configure(target: &mut TargetSystem, own: &TargetSystem, settings: &StorageSettings) {
    let Some(database) = &target.database else {
        return;
    };
    match &own.database {
        Some(audit) if audit.pool_identity() == database.pool_identity() => {
            target.database = Some(Arc::clone(audit));
            target.holds_audit = true;
        }
        _ => target.database = Some(database.configured(settings)),
    }
}

/// A name that no other run has.
pub(crate) fn new_run_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
